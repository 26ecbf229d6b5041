"""An action in a container, as its supervisor sees it."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from daemons import IMAGE, Daemon

from renex_jupyter.errors import RenexError
from renex_jupyter.tasks.container import ContainerAction
from renex_jupyter.tasks.order import Container, Mount, Order

USER = "1000:1000"


class Seen:
    """An action that ran to its end."""

    def __init__(
        self, action: ContainerAction, after: Callable[[ContainerAction], None] | None, ready: bytes = b""
    ) -> None:
        self.printed, self.size = b"", 0
        os.set_blocking(action.output, False)
        begun = time.monotonic()
        while True:
            code = action.poll()
            self._read(action)
            if code is not None:
                break
            if after is not None and ready in self.printed and time.monotonic() - begun > 0.7:
                after(action)
                after = None
            assert time.monotonic() - begun < 200
            select.select([action.output], [], [], 0.01)
        self._read(action)
        self.code, self.ending = code, action.ending

    def _read(self, action: ContainerAction) -> None:
        try:
            while data := os.read(action.output, 2**20):
                self.size += len(data)
                self.printed = (self.printed + data)[-20_000:]
        except BlockingIOError:
            pass

    @property
    def text(self) -> str:
        return self.printed.decode()


def order(*argv: str, memory: int | None = None, image: str = IMAGE, **more: object) -> Order:
    container = Container(image, **{"user": USER, **more})  # type: ignore[arg-type]
    return Order("run-1", "/nowhere/.renex", argv, "/tmp", memory=memory, container=container)


def run(wanted: Order, after: Callable[[ContainerAction], None] | None = None, ready: bytes = b"") -> Seen:
    """Run it to its end, and do something once it has printed a word."""
    action = ContainerAction(wanted)
    try:
        action.start()
        return Seen(action, after, ready)
    finally:
        action.close()


def refusal(wanted: Order) -> RenexError:
    with pytest.raises(RenexError) as raised:
        run(wanted)
    return raised.value


def test_output_of_both_streams_and_the_exit_code_are_those_of_the_command(daemon: Daemon) -> None:
    seen = run(order("sh", "-c", "echo out; echo err >&2; exit 3"))
    assert (seen.code, sorted(seen.text.split()), seen.ending) == (3, ["err", "out"], None)


def test_a_container_is_the_user_without_privileges(daemon: Daemon) -> None:
    seen = run(order("sh", "-c", "id -u; id -g; echo $HOME; grep -E 'NoNewPrivs|CapEff|CapBnd' /proc/self/status"))
    assert seen.text.split()[:3] == ["1000", "1000", "/tmp"]
    told = dict(line.split(":\t") for line in seen.text.splitlines()[3:])
    assert told == {"CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1"}


def test_files_that_a_container_makes_belong_to_the_user(daemon: Daemon, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    seen = run(order("sh", "-c", "echo 1 > /data/made", mounts=(Mount(str(tmp_path), "/data"),)))
    assert (seen.code, (tmp_path / "made").stat().st_uid, (tmp_path / "made").stat().st_gid) == (0, 1000, 1000)


def test_a_read_only_folder_cannot_be_written(daemon: Daemon, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    seen = run(order("sh", "-c", "echo 1 > /data/made", mounts=(Mount(str(tmp_path), "/data", read_only=True),)))
    assert seen.code != 0 and not (tmp_path / "made").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_the_command_and_is_told(daemon: Daemon, number: signal.Signals) -> None:
    seen = run(order("sh", "-c", "sleep 100; sleep 100"), lambda action: action.send(number) or None)
    assert seen.code == -number


def test_an_interrupt_reaches_the_children_of_a_shell(daemon: Daemon) -> None:
    script = "python3 -c 'import time; print(\"ready\", flush=True); time.sleep(100)'; echo code $?"
    interrupted = order("sh", "-c", f"trap : INT; {script}")
    seen = run(interrupted, lambda action: action.send(signal.SIGINT) or None, b"ready")
    assert "KeyboardInterrupt" in seen.text and "code 1" in seen.text


def test_too_much_memory_ends_it_and_the_limit_is_told(daemon: Daemon) -> None:
    seen = run(order("python3", "-c", "x = bytearray(300 * 2**20)", memory=64 * 2**20))
    assert seen.code == -signal.SIGKILL
    assert seen.ending is not None and seen.ending.startswith("memory limit of 67.1 MB exceeded")


def test_a_hundred_megabytes_come_through_whole(daemon: Daemon) -> None:
    seen = run(order("head", "-c", "100000000", "/dev/zero"))
    assert (seen.code, seen.size) == (0, 100_000_000)


def test_memory_and_cpu_are_told_while_it_runs(daemon: Daemon) -> None:
    looks: list[tuple[int, dict[str, float]]] = []

    def look(action: ContainerAction) -> None:
        deadline = time.monotonic() + 60
        while action.system().get("system/cpu_percent", 0) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        looks.append((action.memory(), action.system()))
        action.send(signal.SIGKILL)

    run(
        order("python3", "-c", "x = bytearray(50 * 2**20)\nprint('ready', flush=True)\nwhile True: pass"),
        look,
        b"ready",
    )
    memory, system = looks[0]
    assert 50 * 2**20 < memory < 120 * 2**20
    assert 3 <= system["system/cpu_percent"] <= 150  # of one core, which others may need as well
    assert system["system/memory_bytes"] == memory


@pytest.mark.parametrize("command", ["nosuch", "/etc"])
def test_a_command_that_the_image_has_not_is_named(daemon: Daemon, command: str) -> None:
    seen = run(order(command))
    assert seen.code in (126, 127)
    assert seen.ending is not None and f"no command '{command}' in the image {IMAGE}" in seen.ending


def test_a_container_that_is_killed_from_outside_was_ended_by_a_signal(daemon: Daemon) -> None:
    seen = run(order("sleep", "100"), lambda action: daemon.ask("kill", str(action.container)) and None)
    assert (seen.code, seen.ending) == (-signal.SIGKILL, None)


def test_a_container_that_is_removed_from_outside_is_told(daemon: Daemon) -> None:
    seen = run(order("sleep", "100"), lambda action: daemon.ask("rm", "-f", str(action.container)) and None)
    assert seen.code == -signal.SIGKILL
    assert seen.ending is not None and "removed from outside" in seen.ending


def test_a_daemon_that_dies_ends_the_run_and_its_container(new_daemon: Callable[[], Daemon], monkeypatch) -> None:  # type: ignore[no-untyped-def]
    own = new_daemon()
    monkeypatch.setenv("DOCKER_HOST", own.host)
    pids: list[int] = []

    def crash(action: ContainerAction) -> None:
        pids.append(int(own.ask("inspect", "--format", "{{.State.Pid}}", str(action.container))))
        own.kill()

    begun = time.monotonic()
    seen = run(order("sleep", "100", network="none"), crash)
    assert time.monotonic() - begun < 90
    assert seen.code == 125
    assert seen.ending == "the Docker daemon went away while the container ran; how it ended is not known."
    for _ in range(300):
        if not Path(f"/proc/{pids[0]}").exists() or " (zombie)" in Path(f"/proc/{pids[0]}/status").read_text():
            break
        time.sleep(0.1)
    else:
        pytest.fail("its process lives on")


def test_what_a_container_may_not_have_is_refused(daemon: Daemon, tmp_path: Path) -> None:
    socket = daemon.host.removeprefix("unix://")
    for source in ("/", socket, str(Path(socket).parent), "/var/run/docker.sock", "/run"):
        assert refusal(order("true", mounts=(Mount(source, "/data"),))).code == "unsafe_path", source
    link = tmp_path / "link"
    link.symlink_to("/")
    assert refusal(order("true", mounts=(Mount(str(link), "/data"),))).code == "unsafe_path"
    assert refusal(order("true", network="host")).code == "invalid_argument"
    assert refusal(order("true", network="container:other")).code == "invalid_argument"


def test_what_docker_cannot_give_is_told_with_its_words(daemon: Daemon) -> None:
    for gpus in ("all", "1", "0,1", "2,"):
        assert "GPU" in refusal(order("true", gpus=gpus)).message, gpus
    assert "Minimum memory limit" in refusal(order("true", memory=1000)).message
    assert refusal(order("true", cpus=1000.0)).code == "invalid_argument"
    assert "/no/such/folder" in refusal(order("true", mounts=(Mount("/no/such/folder", "/data"),))).message


def test_an_image_that_is_not_there_is_named_with_the_way_to_get_it(daemon: Daemon) -> None:
    told = refusal(order("true", image="renex-no-such-image:1"))
    assert (told.code, "docker pull renex-no-such-image:1" in told.hint) == ("not_found", True)
    for name in ("", "--privileged", "UPPER CASE", "a:b:c"):
        assert refusal(order("true", image=name)).code == "invalid_argument", name
