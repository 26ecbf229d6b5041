import json
import math
from pathlib import Path

import pytest
from supervised import RUN, points, python, sh, wait_for

from renex_jupyter.session.kept_output import output_in
from renex_jupyter.store.store import Store
from renex_jupyter.tasks import outside
from renex_jupyter.tasks.order import Order
from renex_jupyter.tasks.outside import Outside
from renex_jupyter.tasks.recorder import Recorder


def rows(tmp_path: Path, query: str) -> list[tuple]:
    return [tuple(row.values()) for row in Store(tmp_path / "store").reader.rows(query)]


def test_a_shell_logs_metrics_params_and_tags(tmp_path: Path) -> None:
    script = """
    for i in 1 2 3; do echo '{"key":"loss","value":0.'$i'}' >> "$RENEX_JOURNAL"; done
    echo '{"key":"acc","value":1,"step":7,"wallclock":1700000000.5}' >> "$RENEX_JOURNAL"
    echo '{"param":"lr","value":0.1}' >> "$RENEX_JOURNAL"
    echo '{"tag":"who","value":"ada"}' >> "$RENEX_JOURNAL"
    """
    assert sh(tmp_path, script).status == "finished"
    assert points(tmp_path) == [
        ("acc", 7, 1.0, None),
        ("loss", 0, 0.1, None),
        ("loss", 1, 0.2, None),
        ("loss", 2, 0.3, None),
    ]
    assert rows(tmp_path, "select epoch(wallclock) from metrics where key = 'acc'") == [(1700000000.5,)]
    assert rows(tmp_path, "select run_id, key, value_number from params") == [(RUN, "lr", 0.1)]
    assert rows(tmp_path, "select owner_kind, owner_id, key, value from tags") == [("run", RUN, "who", "ada")]


def test_what_is_logged_is_on_the_run_while_the_action_runs(tmp_path: Path) -> None:
    script = f"""
import json, os, pathlib, sys, time
with open(os.environ["RENEX_JOURNAL"], "a") as file:
    print(json.dumps({{"key": "loss", "value": 1}}), file=file)
until = time.time() + 120
while not pathlib.Path("{tmp_path}/seen").exists() and time.time() < until:
    time.sleep(0.05)
sys.exit(time.time() >= until)
"""
    from threading import Thread

    outcome = []
    thread = Thread(target=lambda: outcome.append(python(tmp_path, script)))
    thread.start()
    wait_for(lambda: points(tmp_path) == [("loss", 0, 1.0, None)])
    (tmp_path / "seen").touch()
    thread.join()
    assert outcome[0].status == "finished"


def test_a_bad_line_is_told_once_and_costs_the_others_nothing(tmp_path: Path) -> None:
    script = r"""
    printf '%s\n' nonsense '[1]' '{"key":"loss"}' '{"key":"","value":1}' '{"key":"a","value":1,"step":"x"}' '' >> "$RENEX_JOURNAL"
    printf '{"key":"b","value":1,"wallclock":"now"}\n{"key":"c","value":{}}\n{"key":"good","value":2}' >> "$RENEX_JOURNAL"
    """
    pieces: list[str] = []
    assert sh(tmp_path, script, echo=pieces.append).status == "finished"
    assert points(tmp_path) == [("good", 0, 2.0, None)]  # also a last line without a line end
    said = "".join(pieces).splitlines()
    assert said == [
        "renex: line 1 of $RENEX_JOURNAL is not understood, it is no JSON: nonsense",
        "renex: 7 lines of $RENEX_JOURNAL were not understood.",
    ]
    assert output_in(tmp_path / "run").splitlines() == said


def test_a_secret_among_params_and_tags_is_not_kept(tmp_path: Path) -> None:
    script = """
    echo '{"param":"api_key","value":"hunter2secret"}' >> "$RENEX_JOURNAL"
    echo '{"tag":"password","value":"hunter2secret"}' >> "$RENEX_JOURNAL"
    """
    sh(tmp_path, script)
    found = rows(tmp_path, "select value_text from params union all select value from tags")
    assert len(found) == 2
    for file in (tmp_path / "store").rglob("*"):
        assert not file.is_file() or b"hunter2secret" not in file.read_bytes()


@pytest.fixture
def journal(tmp_path: Path):
    recorder = Recorder(Order(RUN, str(tmp_path / "store"), ("x",), "/"))
    notes: list[str] = []
    followed = Outside(tmp_path / "journal.jsonl", recorder, notes.append)

    class Journal:
        path, told = tmp_path / "journal.jsonl", notes

        def write(self, text: str) -> None:
            with self.path.open("a") as file:
                file.write(text)

        def look(self) -> None:
            followed.look()
            assert len(followed._open) <= 2 * outside.LONGEST_LINE
            assert recorder.flush() is None

        def finish(self) -> None:
            followed.finish()
            assert recorder.finish() is None

    return Journal()


def test_a_line_that_is_cut_in_two_is_whole(tmp_path: Path, journal) -> None:
    journal.look()
    journal.write('{"key":"lo')
    journal.look()
    journal.write('ss","value":NaN}\n{"key":"note","value":"é"')
    journal.look()
    journal.write("}\n")
    journal.finish()
    found = points(tmp_path)
    assert math.isnan(found[0][2])
    assert found[1:] == [("note", 0, None, "é")]
    assert journal.told == []


def test_a_journal_that_is_begun_anew_is_read_anew(tmp_path: Path, journal) -> None:
    journal.write('{"key":"a","value":1}\n{"key":"a","value":2}\n')
    journal.look()
    journal.path.write_text('{"key":"a","value":3}\n')
    journal.finish()
    assert [each[2] for each in points(tmp_path)] == [1.0, 2.0, 3.0]


def test_an_endless_line_takes_no_memory_and_the_next_one_counts(tmp_path: Path, journal, monkeypatch) -> None:
    monkeypatch.setattr(outside, "LONGEST_LINE", 1000)
    for _ in range(100):
        journal.write("x" * 500)
        journal.look()
    journal.write('\n{"key":"a","value":1}\n')
    journal.finish()
    assert points(tmp_path) == [("a", 0, 1.0, None)]
    assert len(journal.told) == 1
    assert "too long" in journal.told[0]


def test_a_link_or_a_pipe_in_place_of_the_journal_is_not_read(tmp_path: Path, journal) -> None:
    import os

    (tmp_path / "else").write_text('{"key":"a","value":1}\n')
    journal.path.symlink_to(tmp_path / "else")
    journal.look()
    journal.path.unlink()
    os.mkfifo(journal.path)
    journal.look()
    journal.finish()
    assert points(tmp_path) == []


def test_many_lines_at_once_are_all_there_in_their_order(tmp_path: Path, journal) -> None:
    journal.write("".join(json.dumps({"key": "loss", "value": each}) + "\n" for each in range(200_000)))
    journal.look()
    journal.finish()
    found = points(tmp_path)
    assert [each[1] for each in found] == [int(each[2]) for each in found] == list(range(200_000))


def test_what_is_left_at_the_end_takes_little_memory_and_what_comes_later_is_not_waited_for(tmp_path: Path) -> None:
    recorder = Recorder(Order(RUN, str(tmp_path / "store"), ("x",), "/"))
    path, most = tmp_path / "journal.jsonl", 0
    followed = Outside(path, recorder, print)
    line = '{"key":"loss","value":1.5}\n'
    path.write_text(line * 400_000)
    taken, feed = 0, followed._feed

    def fed(data: bytes) -> None:
        nonlocal taken, most
        taken += len(data)
        most = max(most, recorder._size)
        assert taken < 30 * 2**20, "it follows for ever"
        with path.open("a") as file:  # a grandchild goes on
            file.write(line * 50_000)
        feed(data)

    followed._feed = fed  # type: ignore[method-assign]
    followed.finish()
    assert recorder.finish() is None
    assert most < 16 * 2**20
    assert rows(tmp_path, "select count(*) from metrics") == [(400_000,)]
