"""What a task in this process prints."""

import io
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from renex_jupyter.session.kept_output import output_in
from renex_jupyter.tasks.kernel_output import MOST_WAITING, KernelOutput


class Stream(io.StringIO):
    """A stream with attributes of its own, such as a kernel's."""


@contextmanager
def _streams() -> Iterator[tuple[Stream, Stream]]:
    """Standard output and error of the block."""
    out, err = Stream(), Stream()
    with redirect_stdout(out), redirect_stderr(err):
        yield out, err
    assert "write" not in vars(out) and "write" not in vars(err)  # whatever happened, they are as they were


def test_what_is_printed_is_shown_and_kept(tmp_path: Path) -> None:
    with _streams() as streams:
        handler = logging.StreamHandler()  # holds the stream of this moment
        output = KernelOutput(tmp_path / "run", 1000)
        print("one")
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start()
        thread.join()
        handler.emit(logging.LogRecord("x", 20, "", 0, "logged", None, None))
        sys.stdout.writelines(["a\n", "b\n"])
        print("ü \ud800")
        output.end()
        print("after")
        assert output_in(tmp_path / "run") == "one\nfrom a thread\nlogged\na\nb\nü ?\n"
        assert output.size == len("one\nfrom a thread\nlogged\na\nb\nü ?\n".encode())
        assert streams[0].getvalue() == "one\nfrom a thread\na\nb\nü \ud800\nafter\n"
        assert streams[1].getvalue() == "logged\n"


def test_of_a_progress_bar_the_last_state_is_kept_and_colours_are_not(tmp_path: Path) -> None:
    with _streams():
        output = KernelOutput(tmp_path / "run", 1000)
        for percent in range(0, 101, 10):
            print(f"\r\x1b[32m{percent:3} %\x1b[0m", end="")
        output.end()
        assert output_in(tmp_path / "run") == "100 %"


def test_the_output_can_be_read_while_the_task_runs(tmp_path: Path) -> None:
    with _streams():
        output = KernelOutput(tmp_path / "run", 1000)
        print("epoch 1\nepoch 2: ", end="")
        output.refresh()
        assert output_in(tmp_path / "run") == "epoch 1\nepoch 2: "
        output.end()


def test_of_much_output_both_ends_are_kept_and_memory_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _streams():
        with Path(os.devnull).open("w") as nowhere:
            monkeypatch.setattr(sys, "stdout", nowhere)
            output = KernelOutput(tmp_path / "run", 10_000)
            most = 0
            for number in range(60_000):
                print(f"line {number:06}" + 90 * ".")
                most = max(most, sum(map(len, output._waiting)) if number % 1000 == 0 else 0)
            output.end()
        kept = output_in(tmp_path / "run")
        assert kept.startswith("line 000000.") and kept.endswith("line 059999" + 90 * "." + "\n") and "left out" in kept
        assert len(kept) < 12_000 and output.size == 60_000 * 102
        assert most <= 1.1 * MOST_WAITING


def test_a_silent_task_leaves_no_folder(tmp_path: Path) -> None:
    with _streams():
        KernelOutput(tmp_path / "run", 1000).end()
        assert not (tmp_path / "run").exists()


def test_of_two_tasks_each_keeps_what_was_printed_while_it_ran(tmp_path: Path) -> None:
    with _streams() as streams:
        outer = KernelOutput(tmp_path / "outer", 1000)
        print("1")
        inner = KernelOutput(tmp_path / "inner", 1000)
        print("2")
        outer.end()  # also when they do not end in order
        print("3")
        inner.end()
        print("4")
        assert output_in(tmp_path / "outer") == "1\n2\n"
        assert output_in(tmp_path / "inner") == "2\n3\n"
        assert streams[0].getvalue() == "1\n2\n3\n4\n"


def test_a_stream_that_was_wrapped_before_is_so_afterwards(tmp_path: Path) -> None:
    with _streams() as streams:
        seen: list[str] = []
        wrapper = streams[0].write = seen.append  # type: ignore[method-assign]
        output = KernelOutput(tmp_path / "run", 1000)
        print("x")
        output.end()
        assert vars(streams[0])["write"] is wrapper and seen == ["x", "\n"]
        del streams[0].write


def test_a_folder_that_cannot_be_made_does_not_stop_the_print(tmp_path: Path) -> None:
    with _streams() as streams:
        (tmp_path / "file").write_text("")
        output = KernelOutput(tmp_path / "file" / "run", 1000)
        print("x")
        output.refresh()
        print("y")
        output.end()
        assert streams[0].getvalue() == "x\ny\n"
        assert output.fault is not None and output.size == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_child_prints_on_and_keeps_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = KernelOutput(tmp_path / "run", 1000)
    print("parent", flush=True)
    pid = os.fork()
    if pid == 0:
        for _ in range(3):
            print("child", flush=True)
        os._exit(0 if not output._waiting or "child" not in "".join(output._waiting) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    output.end()
    assert output_in(tmp_path / "run") == "parent\n"


def test_threads_that_print_while_tasks_begin_and_end_mix_up_nothing(tmp_path: Path) -> None:
    def talk(name: str) -> None:
        for _ in range(3000):
            sys.stdout.write(f"{name * 50}\n")

    kept = []
    with _streams() as (out, _):
        threads = [threading.Thread(target=talk, args=(name,), daemon=True) for name in "abc"]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            output = KernelOutput(tmp_path / str(len(kept)), 2**30)
            output.refresh()
            output.end()
            kept.append(output_in(tmp_path / str(len(kept))))
    lines = "".join(kept).splitlines()
    assert set(lines) <= {name * 50 for name in "abc"} and len(lines) <= 9000
    assert sum(len(line) for line in out.getvalue().splitlines()) == 9000 * 50
