import random
import subprocess
from pathlib import Path

import pytest
from trees import fill, left_out, paths, take


def test_what_an_ignored_folder_holds_does_not_change_the_id(root: Path) -> None:
    fill(root, "logs/.gitignore", "*.log\n")
    before = take(root).files_id
    fill(root, "logs/run.log")
    fill(root, "logs/__pycache__/x.pyc")
    assert take(root).files_id == before


def test_ignore_files_nest_and_renexignore_has_the_last_word(root: Path) -> None:
    fill(root, ".gitignore", "*.log\n/data/\nmodels/*\n!models/keep.pt\n")
    fill(root, ".renexignore", "!data/small.csv\n!data/**/keep.csv\n!sub/deep/wanted.log\nsecretive/\n")
    fill(root, "data/a/b/c/d/keep.csv")
    fill(root, "sub/.gitignore", "!important.log\nlocal.txt\n")
    for path in ("run.log", "data/small.csv", "data/big.csv", "data/deep/small.csv", "models/a.pt", "models/keep.pt"):
        fill(root, path)
    for path in (
        "sub/important.log",
        "sub/local.txt",
        "local.txt",
        "sub/deep/wanted.log",
        "sub/deep/other.log",
        "secretive/x",
    ):
        fill(root, path)
    assert [each for each in paths(take(root)) if "ignore" not in each] == [
        *(
            "data/a/b/c/d/keep.csv",
            "data/small.csv",
            "local.txt",
            "models/keep.pt",
            "sub/deep/wanted.log",
            "sub/important.log",
        ),
    ]


NAMES = ["a", "b", "data", "x.py", "y.txt", "keep", "foo bar", "[z]"]
ODD = ["#c", "\\#c", "", "  ", "\\!a", "a ", "a\\ ", "**a", "/", "!", "//", "***", "a**b"]


def pattern(dice: random.Random) -> str:
    if dice.random() < 0.05:
        return dice.choice(ODD)
    pieces = [*NAMES, "*", "*.py", "**", "?", "d*", "[ab]", "*a*", ""]
    text = "/".join(dice.choices(pieces, k=dice.choice([1, 1, 1, 2, 2, 3])))
    text = "/" * (dice.random() < 0.2) + text + "/" * (dice.random() < 0.3)
    return "!" * (dice.random() < 0.35) + text


def grow(folder: Path, dice: random.Random, depth: int = 0) -> None:
    for name in dice.sample(NAMES, dice.randint(2, 5)):
        if "." in name or depth > 2 or dice.random() < 0.4:
            (folder / name).touch()
        else:
            (folder / name).mkdir()
            grow(folder / name, dice, depth + 1)
    if depth == 0 or dice.random() < 0.3:
        (folder / ".gitignore").write_text("\n".join(pattern(dice) for _ in range(dice.randint(1, 6))) + "\n")


@pytest.mark.parametrize("seed", range(40))
def test_gitignore_means_what_git_says_it_means(root: Path, seed: int) -> None:
    subprocess.run(["git", "init", "-q", root], check=True)
    grow(root, random.Random(seed))
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-zo", "--exclude-standard"], capture_output=True, check=True
    )
    expected = sorted(each for each in listed.stdout.decode().split("\0") if each)
    assert [entry.path for entry in take(root).entries if entry.kind == "file"] == expected


@pytest.mark.parametrize(
    "path",
    [
        *(".git/config", ".renex/store.json", "a/.hg/x", ".svn/x", "__pycache__/a.pyc", "a/.ipynb_checkpoints/n.ipynb"),
        *(
            "node_modules/x.js",
            ".mypy_cache/x",
            ".ruff_cache/x",
            ".pytest_cache/x",
            "env/pyvenv.cfg",
            "c/conda-meta/history",
        ),
        *("old/.renex-checkout", "kernel-0a1b2c3d-0000.json", "jpserver-123.json", "jpserver-123-open.html"),
        *(".~train.ipynb", "jupyter_cookie_secret", "sub/.git"),
    ],
)
def test_what_nobody_wants_is_left_out_without_a_word(root: Path, path: str) -> None:
    fill(root, path)
    top = path.split("/", maxsplit=1)[0]
    if "/" in path and top != "a" and top != "sub":
        fill(root, f"{top}/beside.py")
    tree = take(root, include=[path])
    assert [entry for entry in tree.entries if entry.kind == "file"] == []
    assert tree.left_out == ()


def test_secrets_are_listed_and_kept_only_when_named(root: Path, blobs: Path) -> None:
    for path in (".env", "certs/server.pem", ".aws/credentials", "train.py"):
        fill(root, path, "hunter2")
    tree = take(root)
    assert left_out(tree) == {".env": "secret", ".aws": "secret", "certs/server.pem": "secret"}
    assert [each for each in paths(tree) if each != "certs"] == ["train.py"]
    assert not tree.partial
    asked = take(root, blobs, include=["certs/server.pem", "./.env", "certs"])
    assert paths(asked) == [".env", "certs/server.pem", "train.py"]


def test_an_ignored_secret_is_listed_too(root: Path) -> None:
    fill(root, ".gitignore", ".env\n")
    fill(root, ".env")
    assert left_out(take(root)) == {".env": "secret"}


def test_what_is_asked_for_is_kept_although_it_is_ignored_and_what_is_excluded_is_not(root: Path) -> None:
    fill(root, ".gitignore", "out/\n")
    fill(root, "out/a/metrics.json")
    fill(root, "out/big.bin")
    fill(root, "notes/a.md")
    assert paths(take(root, include=["out/a"], exclude=frozenset({"notes"}))) == [".gitignore", "out/a/metrics.json"]
