import shutil
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from supervised import begun, ran, sh, wait_for

from renex_jupyter.session.kept_output import output_in
from renex_jupyter.tasks.output import LONGEST_ESCAPE, LONGEST_LINE, Kept, Renderer
from renex_jupyter.tasks.watching import watch

MB = 10**6


def rendered(*pieces: bytes) -> str:
    taken: list[str] = []
    renderer = Renderer(taken.append)
    for each in pieces:
        renderer.feed(each)
    renderer.end()
    return "".join(taken)


SCREENS = [
    ("plain", b"a\nb", "a\nb"),
    ("windows", b"a\r\nb\r\n", "a\nb\n"),
    ("progress", b"\r 1%\r 50%\r99%\nend\n", "99%\nend\n"),
    ("progress that ends with a return", b"1%\r2%\r\nend", "2%\nend"),
    ("colour", b"\x1b[31;1mred\x1b[0m \x1b[38;5;196mx\x1b[m", "red x"),
    ("title", b"a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "ablink"),
    ("device string", b"a\x1bPq#0\x1b\\b", "ab"),
    ("charset", b"\x1b(B\x1b=text\x1bM", "text"),
    ("spinner", b"|\b/\b-\bok\n", "ok\n"),
    ("backspace", b"abc\b\bX\n", "aXc\n"),
    ("keras", b"1/9 loss: 3" + b"\b" * 11 + b"\r9/9 loss: 1\n", "9/9 loss: 1\n"),
    ("erase", b"100%\r\x1b[K50%\n", "50%\n"),
    ("erase the line", b"abc\x1b[2Kd\n", "d\n"),
    ("bell", b"a\ab", "ab"),
    ("null", b"a\0b\x7fc\x0cd", "abcd"),
    ("c1", "a\x9b31mb".encode(), "a31mb"),
    ("utf-8", "né ☃ 🎉".encode(), "né ☃ 🎉"),
    ("broken", b"a\xffb\xc3", "a\ufffdb\ufffd"),
    ("escape at the end", b"a\x1b[3", "a"),
    ("lonely escape", b"a\x1b\x1b\nb", "a\nb"),
]


@pytest.mark.parametrize(("raw", "shown"), [each[1:] for each in SCREENS], ids=[each[0] for each in SCREENS])
def test_output_is_kept_as_a_screen_shows_it_however_it_is_cut(raw: bytes, shown: str) -> None:
    assert rendered(raw) == shown
    assert rendered(*(bytes([each]) for each in raw)) == shown
    for cut in range(len(raw)):
        assert rendered(raw[:cut], raw[cut:]) == shown


def test_an_escape_without_an_end_and_an_endless_line_are_bounded() -> None:
    taken: list[str] = []
    renderer = Renderer(taken.append)
    renderer.feed(b"\x1b]0;")
    for _ in range(100):
        renderer.feed(b"x" * 1000)
        assert len(renderer._held) <= LONGEST_ESCAPE
        assert len(renderer.line) <= LONGEST_LINE
    renderer.end()
    assert "".join(taken).endswith("x" * 1000)
    renderer.feed(b"y" * 10 * MB)
    assert len(renderer.line) <= LONGEST_LINE
    renderer.end()
    assert "".join(taken).count("y") == 10 * MB


def test_the_beginning_and_the_end_are_kept_and_the_middle_is_counted(tmp_path: Path) -> None:
    kept, said = Kept(tmp_path, 2000), "".join(f"line é {each}\n" for each in range(1000))
    for start in range(0, len(said), 7):
        kept.add(said[start : start + 7])
        assert len(kept._end) <= 2 * 1000 + 14
    kept.refresh("open")
    assert output_in(tmp_path).endswith("\nline é 999\nopen")
    kept.close()
    found = output_in(tmp_path)
    head, _, tail = found.partition("… ")
    count, _, tail = tail.partition(" bytes left out …\n")
    assert said.startswith(head)
    assert said.endswith(tail)
    assert tail.startswith("line é ")  # a whole line
    assert len((head + tail).encode()) + int(count) == len(said.encode())
    assert 1900 < len((head + tail).encode()) <= 2000


def test_output_just_at_the_limit_is_whole(tmp_path: Path) -> None:
    for size in range(95, 106):
        folder = tmp_path / str(size)
        folder.mkdir()
        kept, said = Kept(folder, 100), "é" * (size // 2)
        kept.add(said)
        kept.close()
        found = output_in(folder)
        assert found == said if len(said.encode()) <= 100 else "left out" in found
        assert "\ufffd" not in found


def test_a_line_that_is_not_ended_is_seen_and_replaced(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 1000)
    for line in ("50%", "100%", "9"):
        kept.add("")
        kept.refresh(line)
        assert output_in(tmp_path) == line
    kept.add("9\n")
    assert output_in(tmp_path) == "9\n"


def test_much_output_is_bounded_in_memory_and_on_disk(tmp_path: Path) -> None:
    script = "echo begin; yes 'all work and no play' | head -c 200000000; echo end"
    begin, most, size = time.monotonic(), 0, 0

    def count(text: str) -> None:
        nonlocal size
        size += len(text)

    supervised = begun(tmp_path, "sh", "-c", script, sample_every=0, output_shown=5 * MB)
    process = psutil.Process(supervised.process.pid)
    done = threading.Event()

    def look() -> None:
        nonlocal most
        while not done.wait(0.05):
            try:
                most = max(most, process.memory_info().rss)
            except psutil.Error:
                return

    thread = threading.Thread(target=look)
    thread.start()
    outcome = supervised.follow(count)
    done.set()
    thread.join()
    print(f"200 MB in {time.monotonic() - begin:.1f} s, supervisor {most / 2**20:.0f} MiB")
    assert (outcome.status, outcome.output_size) == ("finished", 200_000_000 + 10)
    assert most < 80 * 2**20
    assert 5 * MB <= size < 5 * MB + 10_000  # what was shown, and the last lines
    kept = output_in(tmp_path / "run")
    assert kept.startswith("begin\nall work")
    assert kept.endswith("end\n")
    assert len(kept) < 1.1 * 2**20
    assert sum(each.stat().st_size for each in (tmp_path / "run").iterdir()) < 1.2 * 2**20


@pytest.mark.parametrize("source", ["head -c 20000000 /dev/urandom", "head -c 100000000 /dev/zero"])
def test_binary_output_does_no_harm(tmp_path: Path, source: str) -> None:
    begin = time.monotonic()
    outcome = sh(tmp_path, f"{source}; echo; echo end", output_shown=1000)
    print(f"{source}: {time.monotonic() - begin:.1f} s")
    assert outcome.status == "finished"
    kept = output_in(tmp_path / "run")
    assert kept.endswith("\nend\n")
    assert not any(each in kept for each in "\0\a\b\r\x1b\x9b")


def test_a_screen_that_fell_silent_shows_the_last_lines(tmp_path: Path) -> None:
    pieces: list[str] = []
    sh(tmp_path, "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done", echo=pieces.append, output_shown=100)
    shown = "".join(pieces)
    assert shown.startswith("line 0\n")
    assert "of output are not shown, the last lines are:\nline 2980\n" in shown
    assert shown.endswith("line 2999\n")
    assert len(shown) < 500
    assert len(output_in(tmp_path / "run").splitlines()) == 3000


def test_the_output_so_far_is_in_the_folder_while_the_action_runs(tmp_path: Path) -> None:
    script = "import time\nprint('a' * 600)\nfor i in range(300): print('line', i); time.sleep(0.001)\ntime.sleep(60)"
    supervised = begun(tmp_path, sys.executable, "-c", script, output_kept=1000)
    wait_for(lambda: output_in(tmp_path / "run").endswith("line 299\n"))
    supervised.stop()


def test_who_watches_late_sees_what_is_kept_and_then_all_that_comes(tmp_path: Path) -> None:
    script = "import time\nfor i in range(2000): print('line', i)\nprint('half', end='')\n"
    script += "import os\nwhile not os.path.exists('seen'): time.sleep(0.05)\n"
    script += "print(' way')\nfor i in range(5): print('more', i); time.sleep(0.2)"
    begun(tmp_path, sys.executable, "-c", script, output_kept=2000, detached=True)
    wait_for(lambda: output_in(tmp_path / "run").endswith("half"))
    pieces: list[str] = []

    def see(text: str) -> None:
        pieces.append(text)
        (tmp_path / "seen").touch()

    assert watch(tmp_path / "run", see, interval=0.05).status == "finished"
    shown = "".join(pieces)
    assert shown.startswith("line 0\n")
    assert shown.count("left out") == 1
    assert shown.endswith("line 1999\nhalf way\nmore 0\nmore 1\nmore 2\nmore 3\nmore 4\n")


def test_who_watches_from_the_beginning_sees_each_line_once(tmp_path: Path) -> None:
    script = "import time\nfor i in range(300):\n    print('line', i)\n"
    script += "    while i - open('seen').read().count('\\n') > 40: time.sleep(0.01)"  # of which all are kept
    pieces: list[str] = []
    with (tmp_path / "seen").open("w", buffering=1) as seen:

        def see(text: str) -> None:
            pieces.append(text)
            seen.write(text)

        begun(tmp_path, sys.executable, "-c", script, output_kept=1000, detached=True)
        watch(tmp_path / "run", see, interval=0.05)
    assert "".join(pieces) == "".join(f"line {each}\n" for each in range(300))


def test_an_action_that_prints_nothing_leaves_an_empty_log(tmp_path: Path) -> None:
    assert ran(tmp_path, "true").output_size == 0
    assert output_in(tmp_path / "run") == ""
    assert output_in(tmp_path / "nowhere") == ""


def watched_until_removed(tmp_path: Path, script: str, kept: str, **options) -> str:
    """Watch an action whose folder is removed, as at the end of a run, while nobody looks."""
    supervised, pieces = begun(tmp_path, "sh", "-c", script, **options), list[str]()
    supervised.wait_begun()

    def seen(text: str) -> None:
        pieces.append(text)
        if "half" in text and (tmp_path / "run").exists():
            (tmp_path / "seen").touch()
            supervised.follow(lambda text: None)
            shutil.rmtree(tmp_path / "run")

    watch(tmp_path / "run", seen, interval=0.05, rest=lambda: kept)
    return "".join(pieces)


def test_the_end_is_seen_though_the_folder_is_removed_between_two_looks(tmp_path: Path) -> None:
    script = f"echo begin; echo half; while [ ! -e {tmp_path}/seen ]; do sleep 0.05; done; echo end; printf last"
    assert watched_until_removed(tmp_path, script, "begin\nhalf\nend\nlast") == "begin\nhalf\nend\nlast\n"


def test_an_open_line_is_not_wiped_when_the_folder_is_removed(tmp_path: Path) -> None:
    script = f"echo begin; printf half; while [ ! -e {tmp_path}/seen ]; do sleep 0.05; done"
    assert watched_until_removed(tmp_path, script, "begin\nhalf") == "begin\nhalf\n"


def test_the_end_of_much_output_is_seen_though_the_folder_is_removed(tmp_path: Path) -> None:
    many = "".join(f"line {each}\n" for each in range(30))
    script = f"printf '{many}'; echo half; while [ ! -e {tmp_path}/seen ]; do sleep 0.05; done; echo end"
    found = watched_until_removed(tmp_path, script, f"{many}half\nend\n", output_kept=200)
    assert found.endswith("half\nend\n")
    assert found.count("half") == 1


def test_a_run_that_ended_before_anybody_looked_is_seen_as_it_was_kept(tmp_path: Path) -> None:
    pieces: list[str] = []
    assert watch(tmp_path / "nowhere", pieces.append, rest=lambda: "all\nof it") is None
    assert "".join(pieces) == "all\nof it\n"


def test_who_watches_before_anything_is_there_waits_as_long_as_the_run_goes_on(tmp_path: Path) -> None:
    looks = iter([False, False, True, True])
    assert watch(tmp_path / "run", print, interval=0.01, is_over=lambda: next(looks)) is None
    assert len(list(looks)) == 1
