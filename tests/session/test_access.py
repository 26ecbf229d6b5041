"""Who may enter a store: with real users and groups of the system, where the tests run as root."""

import grp
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import renex_jupyter as rx
from renex_jupyter.config import settings
from renex_jupyter.errors import RenexError
from renex_jupyter.session import current as sessions

ADA, BOB, EVE = 61001, 61002, 61003  # users of no name
TEAM = 62000  # of ada and bob
As = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root may be somebody else"
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter, with the package in it, wherever that is installed."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        project = place / "project"
        project.mkdir(mode=0o777)
        project.chmod(0o777)
        yield project


@pytest.fixture(scope="module")
def python() -> Iterator[dict[str, str]]:
    """What everybody needs to run this Python with what we can import: `python`, and variables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        package = Path(rx.__file__).parent
        shutil.copytree(package, folder / "renex_jupyter", ignore=shutil.ignore_patterns("__pycache__", "labextension"))
        paths = [str(folder), *(_readable(Path(each), folder) for each in sys.path if each.endswith("-packages"))]
        yield _interpreter(folder) | {"PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def run_as(place: Path, python: dict[str, str]) -> As:
    """Runs a Python text as a user of this machine, in the folder."""

    def run(
        user: int, text: str, *, umask: int = 0o022, groups: tuple[int, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        given = f"--groups={','.join(map(str, groups))}" if groups else "--clear-groups"
        command = ["setpriv", f"--reuid={user}", f"--regid={user}", given, "--inh-caps=-all", "--bounding-set=-all"]
        begin = f"import os; os.umask({umask})\nimport renex_jupyter as rx\n"
        home = {"HOME": "/nonexistent", "USER": f"user{user}", "LOGNAME": f"user{user}", "PATH": os.environ["PATH"]}
        quick = {"RENEX_FOLD_IN_BACKGROUND": "False", "RENEX_SYSTEM_METRICS_INTERVAL": "0"}
        words = [*command, python["python"], "-P", "-c", begin + text]
        environment = python | home | quick
        return subprocess.run(
            words, cwd=place, env=environment, capture_output=True, text=True, timeout=240, check=False
        )

    return run


def _interpreter(folder: Path) -> dict[str, str]:
    """Return the interpreter, a copy of it where only we may look into its folder."""
    found = Path(os.path.realpath(sys.executable))
    if _everybody_may_enter(found.parent):
        return {"python": str(found)}
    copy = folder / "python"
    library = Path(sys.base_prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    without = shutil.ignore_patterns("__pycache__", "test", "site-packages", "idlelib", "config-*", "ensurepip")
    shutil.copytree(library, copy / "lib" / library.name, ignore=without)
    for each in library.parent.glob("libpython*.so*"):
        shutil.copy2(each, copy / "lib")
    (copy / "bin").mkdir()
    shutil.copy2(found, copy / "bin")
    _let_everybody_in(copy)
    return {"python": str(copy / "bin" / found.name), "PYTHONHOME": str(copy), "LD_LIBRARY_PATH": str(copy / "lib")}


def _readable(packages: Path, folder: Path) -> str:
    """Return a folder to import from that everybody may read."""
    if _everybody_may_enter(packages):
        return str(packages)
    copy = folder / f"packages-{len(list(folder.iterdir()))}"
    shutil.copytree(packages, copy, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "torch", "nvidia"))
    _let_everybody_in(copy)
    return str(copy)


def _let_everybody_in(folder: Path) -> None:
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)


def _everybody_may_enter(path: Path) -> bool:
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


TRAIN = """
with rx.start_run("{name}"):
    for step in range(20):
        rx.log_metric("loss", 1 / (step + 1), step=step)
    rx.snapshot("of {name}")
"""
OPEN = "print(rx.set_access('group', group='{group}', write={write}).differences)"


@pytest.fixture
def team() -> Iterator[str]:
    """The name of the group: root may give it one, as an administrator does."""
    name = "renexteam"
    before = Path("/etc/group").read_text()
    subprocess.run(["groupadd", "--gid", str(TEAM), name], check=False, capture_output=True)
    if grp.getgrnam(name).gr_gid != TEAM:
        pytest.fail("the group has another number")
    yield name
    subprocess.run(["groupdel", name], check=False, capture_output=True)
    assert Path("/etc/group").read_text() == before


def modes(store: Path) -> set[tuple[bool, int, int]]:
    """Return the modes in a store, but for what is of one user's runs: is it a folder, its bits, its group."""
    found = [store, *(each for each in store.rglob("*") if "runs" not in each.relative_to(store).parts[:-1])]
    return {(each.is_dir(), stat.S_IMODE(each.stat().st_mode) & 0o2077, each.stat().st_gid) for each in found}


def test_a_new_store_is_private_and_nobody_else_can_read_a_byte_of_it(place: Path, run_as: As) -> None:
    done(run_as(ADA, TRAIN.format(name="alone"), groups=(TEAM,)))
    assert {(folder, bits) for folder, bits, _ in modes(place / ".renex")} == {(True, 0), (False, 0)}
    listing = "import os\ntry:\n    print(os.listdir('.renex'))\nexcept PermissionError: print('refused')"
    assert done(run_as(BOB, listing, groups=(TEAM,))) == "refused"
    refused = run_as(BOB, "rx.start_run('mine')", groups=(TEAM,))
    assert "permission" in refused.stderr


def test_members_of_the_group_record_together_whatever_their_umask_says(place: Path, run_as: As, team: str) -> None:
    done(run_as(ADA, TRAIN.format(name="first"), groups=(TEAM,)))
    assert done(run_as(ADA, OPEN.format(group=team, write=True), groups=(TEAM,))) == "()"
    fold = "\nfrom renex_jupyter.session.current import current\ncurrent().store.fold()"
    for user, name in ((BOB, "second"), (ADA, "third"), (BOB, "fourth")):
        done(run_as(user, TRAIN.format(name=name) + fold, umask=0o077, groups=(TEAM,)))
    asked = "print(sorted(rx.search_runs()['name']), len(rx.sql('from metrics')), rx.fsck().ok, rx.fsck().damages)"
    for user in (ADA, BOB):
        assert done(run_as(user, asked, groups=(TEAM,))) == "['first', 'fourth', 'second', 'third'] 80 True ()"
    assert modes(place / ".renex") == {(True, 0o2070, TEAM), (False, 0o060, TEAM)}
    actors = "print(sorted(set(rx.sql('from change_events')['actor'])))"
    assert done(run_as(ADA, actors, groups=(TEAM,))) == f"['user{ADA}', 'user{BOB}']"


# What `load_model` brings is a file, and a folder, each made by whoever asked first and read by the other.
REGISTER = """
import pathlib
pathlib.Path("{name}").mkdir()
pathlib.Path("{name}/weights").write_text("weights of {name}")
with rx.start_run("{name}"):
    rx.log_checkpoint("{name}/weights", 1, metrics={{"accuracy": 0.{number}}})
    rx.log_artifact("{name}", "folder of {name}")
rx.register_model("digits", checkpoint=rx.last_checkpoint("{name}", to="to-{name}"))
rx.set_alias("digits", "{alias}", {number}, reason="as {name}")
"""
SEEN = """
print([rx.load_model(f"digits:{n}").read_text() for n in (1, 2)])
for name in ("ada", "bob"):
    found = rx.download_artifact(rx.list_artifacts(name=f"folder of {name}")["artifact_id"][0])
    print((found / "weights").read_text(), rx.last_checkpoint(name).path.read_text())
"""


def test_members_of_the_group_register_versions_and_set_aliases_and_policies_together(
    place: Path, run_as: As, team: str
) -> None:
    ada = REGISTER.format(name="ada", number=1, alias="champion") + 'rx.load_model("digits:1")\n'
    done(run_as(ADA, ada + OPEN.format(group=team, write=True), umask=0o077, groups=(TEAM,)))  # she loaded it before
    policy = "rx.set_policy('digits', 'label', name='best', alias='champion', metric='accuracy')\n"
    decide = "rx.evaluate_policies('digits', dry_run=False)\n"
    bob = REGISTER.format(name="bob", number=2, alias="candidate") + policy + decide
    done(run_as(BOB, bob, umask=0o077, groups=(TEAM,)))
    seen = "['weights of ada', 'weights of bob']\nweights of ada weights of ada\nweights of bob weights of bob\n"
    told = "print(sorted(map(tuple, rx.sql('select alias, version from aliases').values)), rx.fsck().damages)\n"
    again = policy.replace("best", "second").replace("champion", "top") + decide + SEEN + told
    aliases = [("candidate", 2), ("champion", 2), ("top", 2)]
    assert done(run_as(ADA, again, umask=0o077, groups=(TEAM,))) == f"{seen}{aliases} ()"
    removed = "print(rx.delete_run('ada').run.name, rx.update_run('bob', name='better').name)"
    assert done(run_as(BOB, SEEN + told + removed, umask=0o077, groups=(TEAM,))) == f"{seen}{aliases} ()\nada better"
    left = "print(rx.load_model('digits:1').read_text(), rx.fsck().ok)"
    assert done(run_as(ADA, left, groups=(TEAM,))) == "weights of ada True"


def test_who_is_not_in_the_group_is_kept_out(place: Path, run_as: As, team: str) -> None:
    done(run_as(ADA, TRAIN.format(name="first") + OPEN.format(group=team, write=True), groups=(TEAM,)))
    listing = "import os\ntry:\n    print(os.listdir('.renex'))\nexcept PermissionError: print('refused')"
    assert done(run_as(EVE, listing)) == "refused"
    assert "permission" in run_as(EVE, "rx.search_runs()").stderr


def test_a_group_that_may_only_read_reads_everything_and_records_nothing(place: Path, run_as: As, team: str) -> None:
    done(run_as(ADA, TRAIN.format(name="first") + OPEN.format(group=team, write=False), groups=(TEAM,)))
    asked = "print(list(rx.search_runs()['name']), len(rx.sql('from metrics')), rx.list_snapshots()['message'][0])"
    assert done(run_as(BOB, asked, groups=(TEAM,))) == "['first'] 20 of first"
    refused = run_as(BOB, "rx.start_run('mine')", groups=(TEAM,))
    assert "permission" in refused.stderr
    assert done(run_as(ADA, "print(len(rx.search_runs()), rx.fsck().ok)", groups=(TEAM,))) == "1 True"
    assert {(folder, bits) for folder, bits, _ in modes(place / ".renex")} == {(True, 0o2050), (False, 0o040)}


def test_a_store_that_is_made_private_again_keeps_the_group_out(place: Path, run_as: As, team: str) -> None:
    done(run_as(ADA, TRAIN.format(name="first") + OPEN.format(group=team, write=True), groups=(TEAM,)))
    done(run_as(ADA, "rx.set_access('private')", groups=(TEAM,)))
    assert {(folder, bits) for folder, bits, _ in modes(place / ".renex")} == {(True, 0), (False, 0)}
    assert "permission" in run_as(BOB, "rx.search_runs()", groups=(TEAM,)).stderr


def test_a_store_in_which_others_recorded_is_closed_to_them_again(place: Path, run_as: As, team: str) -> None:
    done(run_as(ADA, TRAIN.format(name="first") + OPEN.format(group=team, write=True), groups=(TEAM,)))
    done(run_as(BOB, TRAIN.format(name="second"), groups=(TEAM,)))
    closed = "print(rx.set_access('private').differences, len(rx.search_runs()), rx.fsck().ok, rx.fsck().damages)"
    assert done(run_as(ADA, closed, groups=(TEAM,))) == "() 2 True ()"
    assert "permission" in run_as(BOB, "rx.search_runs()", groups=(TEAM,)).stderr
    told = done(run_as(ADA, OPEN.format(group=team, write=False), groups=(TEAM,)))
    assert f"declared group '{team}' (read), but the file system lets the group read and write it" in told  # bob's own


def test_only_its_owner_opens_a_store_and_only_to_a_group_of_their_own(place: Path, run_as: As, team: str) -> None:
    done(run_as(ADA, TRAIN.format(name="first"), groups=(TEAM,)))
    outside = run_as(ADA, OPEN.format(group=team, write=True))
    assert f"permission: you are not in group '{team}'." in outside.stderr
    done(run_as(ADA, OPEN.format(group=team, write=True), groups=(TEAM,)))
    assert "foreign_store" in run_as(BOB, "rx.set_access('private')", groups=(TEAM,)).stderr
    unknown = run_as(ADA, OPEN.format(group="nobodys-group", write=True), groups=(TEAM,))
    assert "not_found: no group 'nobodys-group'" in unknown.stderr


def test_what_the_file_system_lets_others_do_beside_what_is_declared_is_told_by_fsck(
    place: Path, run_as: As, team: str
) -> None:
    done(run_as(ADA, TRAIN.format(name="first") + OPEN.format(group=team, write=True), groups=(TEAM,)))
    store = place / ".renex"
    (store / "CURRENT").touch()
    (store / "CURRENT").chmod(0o664)
    (store / "blobs").chmod(0o770)
    told = done(run_as(ADA, "for each in rx.fsck().damages: print(each.kind, each.path, each.detail)", groups=(TEAM,)))
    declared = f"declared group '{team}' (read and write)"
    assert f"access blobs {declared}, but what is made in it will not be of that group" in told
    assert f"access CURRENT {declared}, but the file system lets everybody read it" in told
    assert done(run_as(ADA, "print(rx.fsck().ok, len(rx.get_access().differences))", groups=(TEAM,))) == "False 2"


def test_a_door_that_nobody_said_is_closed_is_told_and_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings(), "fold_in_background", False)
    sessions.reset()
    rx.snapshot("one")
    (tmp_path / ".renex").chmod(0o755)
    report = rx.fsck()
    assert report.ok
    assert [each.kind for each in report.damages] == ["open"]
    assert rx.get_access().differences == (".: declared private, but the file system lets everybody read it",)
    rx.set_access("private")
    assert rx.fsck().damages == ()
    sessions.reset()


@pytest.mark.parametrize(
    ("mode", "group", "said"),
    [
        ("public", None, "no access 'public'"),
        ("group", None, "needs the name"),
        ("private", "users", "open to no group"),
    ],
)
def test_an_access_that_there_is_not_is_refused(mode: str, group: str | None, said: str) -> None:
    with pytest.raises(RenexError, match=said):
        rx.set_access(mode, group=group)
