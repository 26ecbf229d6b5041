import json
import sys
import threading
from pathlib import Path

import pytest
from supervised import RUN, points, python, ran, wait_for

from renex_jupyter.store import locks
from renex_jupyter.store.format import seal_line
from renex_jupyter.store.layout import Layout
from renex_jupyter.store.store import Store
from renex_jupyter.tasks import foreign_journals
from renex_jupyter.tasks import relay as relays
from renex_jupyter.tasks.order import Order, Relay
from renex_jupyter.tasks.recorder import Recorder

THREE_RUNS = """
import renex_jupyter as rx
with rx.start_run("first"):
    rx.log_metric("loss", 100)
    rx.log_params({"lr": 1, "only": "first"})
with rx.start_run("second") as run:
    run.set_tags({"who": "ada"})
    rx.log_params({"lr": 0.5, "shape": [1, 2]})
    for step in range(300):
        rx.log_metrics({"loss": step / 10, "note": f"é {step}"}, step=step * 2)
    with rx.start_run("child", nested=True):
        rx.log_metric("loss", 200)
    rx.log_metric("array", [[1.0, 2.0], [3.0, 4.0]])
    rx.log_metric("big", 2**70 + 1)
with rx.start_run("third"):
    rx.log_metric("loss", 300)
"""


def rows(tmp_path: Path, query: str) -> list[tuple]:
    return [tuple(row.values()) for row in Store(tmp_path / "store").reader.rows(query)]


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch) -> str:
    for name in ("RENEX_RUN_ID", "RENEX_RUN_STORE", "RENEX_RUN_NESTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RENEX_STORE", str(tmp_path / "run" / "scratch"))
    return str(tmp_path / "run" / "scratch")


def test_the_nth_run_of_a_store_of_its_own_is_written_on_the_run(tmp_path: Path, scratch: str) -> None:
    outcome = python(tmp_path, THREE_RUNS, relay=Relay(scratch, nth=1))
    assert outcome.status == "finished", outcome.error
    loss = [each for each in points(tmp_path) if each[0] == "loss"]
    assert loss == [("loss", 2 * step, step / 10, None) for step in range(300)]
    assert ("note", 598, None, "é 299") in points(tmp_path)
    found = rows(tmp_path, "select dtype, shape, text_value from metrics where key in ('array', 'big') order by key")
    assert found == [("float64", "[2,2]", None), ("int", None, str(2**70 + 1))]
    params = rows(tmp_path, "select run_id, key, value_text, value_number from params order by key")
    assert params == [(RUN, "lr", "0.5", 0.5), (RUN, "shape", "[1,2]", None)]
    assert rows(tmp_path, "select owner_kind, owner_id, key, value from tags") == [("run", RUN, "who", "ada")]
    assert rows(tmp_path, "select count(*) from runs") == [(0,)]  # neither it nor another one of its runs


EVENTS = """
import renex_jupyter as rx
with rx.start_run("train"):
    with rx.event("epoch", "trainer", {"n": 1}):
        rx.log_event("deploy", metadata={"api_key": "hunter2"}, wallclock=1700000000.123456)
rx.log_event("of the experiment")
"""


def test_events_of_the_run_are_passed_on_with_their_times(tmp_path: Path, scratch: str) -> None:
    outcome = python(tmp_path, EVENTS, relay=Relay(scratch, nth=0))
    assert outcome.status == "finished", outcome.error
    found = rows(tmp_path, "select owner_id, run_id, name, phase from events order by logged_at")
    assert found == [(RUN, RUN, "epoch", "start"), (RUN, RUN, "deploy", None), (RUN, RUN, "epoch", "finish")]
    assert rows(tmp_path, "select epoch_us(wallclock) from events where name = 'deploy'") == [(1700000000123456,)]
    spans = rows(tmp_path, "select name, source, metadata, duration_s >= 0 from event_spans")
    assert spans == [("epoch", "trainer", '{"n":1}', True)]


def test_an_event_that_is_none_is_counted_and_stops_nothing(tmp_path: Path) -> None:
    journal = Layout(tmp_path / "scratch").journal
    journal.mkdir(parents=True)
    row = {"owner_kind": "run", "owner_id": RUN, "name": "x", "wallclock": 1}
    wrong = [
        {"wallclock": 10**400},
        {"wallclock": "now"},
        {"name": 3},
        {"name": None},
        {"metadata": [1]},
        {"phase": "middle"},
        {"source": {}},
        {"span_id": 1},
    ]
    changes = [
        {"v": 1, "n": n, "at": n, "u": "a", "a": "create", "t": "events", "i": f"e{n}", "d": {**row, **each}}
        for n, each in enumerate([*wrong, {}], 1)
    ]
    (journal / "1-00000001.000000.jsonl").write_bytes(b"".join(seal_line(json.dumps(each)) for each in changes))
    told = Relay(str(tmp_path / "scratch"), nth=None)
    recorder = Recorder(Order(RUN, str(tmp_path / "store"), ("x",), "/", relay=told))
    relay = relays.Relay(told, recorder)
    relay.finish()
    recorder.finish()
    assert relay.bad == len(wrong)
    assert rows(tmp_path, "select name, epoch_us(wallclock) from events") == [("x", 1)]


@pytest.mark.parametrize(("nth", "loss"), [(0, [100.0]), (2, [200.0]), (3, [300.0]), (4, [])])
def test_runs_are_counted_as_they_are_opened(tmp_path: Path, scratch: str, nth: int, loss: list[float]) -> None:
    python(tmp_path, THREE_RUNS, relay=Relay(scratch, nth=nth))
    assert [each[2] for each in points(tmp_path) if each[0] == "loss"] == loss


def test_the_run_of_the_order_is_passed_on_live_from_every_process(tmp_path: Path, scratch: str, monkeypatch) -> None:
    monkeypatch.setenv("RENEX_RUN_ID", RUN)
    monkeypatch.setenv("RENEX_RUN_STORE", scratch)
    inner = "import renex_jupyter as rx; rx.log_metric('inner', 1); rx.set_tag('who', 'bob')"
    script = f"""
import subprocess, sys, time, pathlib
import renex_jupyter as rx
rx.log_metric("loss", 0.25)
subprocess.run([sys.executable, "-c", {inner!r}], check=True)
until = time.time() + 120
while not pathlib.Path("{tmp_path}/seen").exists() and time.time() < until:
    time.sleep(0.05)
assert time.time() < until
rx.log_metric("loss", 0.125)
"""
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(python(tmp_path, script, relay=Relay(scratch))))
    thread.start()
    wait_for(lambda: points(tmp_path) == [("inner", 0, 1.0, None), ("loss", 0, 0.25, None)])
    (tmp_path / "seen").touch()
    thread.join()
    assert outcome[0].status == "finished", outcome[0].error
    assert points(tmp_path) == [("inner", 0, 1.0, None), ("loss", 0, 0.25, None), ("loss", 1, 0.125, None)]
    assert rows(tmp_path, "select value from tags") == [("bob",)]


def test_what_is_folded_meanwhile_is_not_missed(tmp_path: Path, scratch: str) -> None:
    script = """
import pathlib, sys, time
from contextlib import suppress
import renex_jupyter as rx
from renex_jupyter.store import locks
from renex_jupyter.store.fold import fold
from renex_jupyter.store.layout import Layout
layout = Layout(pathlib.Path(sys.argv[1]))
until = time.time() + 120
while not (layout.fold_lock.exists() and locks.is_held(layout.fold_lock)) and time.time() < until:
    time.sleep(0.05)  # until somebody reads, who begins no sooner than we do
for number in range(5):
    with rx.start_run("train", run_id=None if not number else run):
        run = rx.active_run().run_id
        for step in range(1000):
            rx.log_metric("loss", float(1000 * number + step))
    with suppress(rx.RenexError):  # locked
        fold(layout, timeout=0)
print(len(list(layout.archive.iterdir())) if layout.archive.exists() else 0)
"""
    pieces: list[str] = []
    outcome = ran(tmp_path, sys.executable, "-c", script, scratch, relay=Relay(scratch, nth=0), echo=pieces.append)
    assert outcome.status == "finished", outcome.error
    assert "".join(pieces) == "0\n"  # nothing is folded while somebody still reads
    assert [each[2] for each in points(tmp_path)] == [float(step) for step in range(5000)]


def test_a_damaged_line_costs_the_others_nothing(tmp_path: Path, scratch: str) -> None:
    script = THREE_RUNS + (
        f"import glob\nfor name in glob.glob({scratch!r} + '/journal/*.jsonl'):\n"
        "    with open(name, 'ab') as file: file.write(b'{\"o\":\"run\"}\\nnonsense\\n\\xff')\n"
    )
    assert python(tmp_path, script, relay=Relay(scratch, nth=1)).status == "finished"
    assert len([each for each in points(tmp_path) if each[0] == "loss"]) == 300


def test_an_action_that_logs_nothing_there_has_nothing_passed_on(tmp_path: Path, scratch: str) -> None:
    assert python(tmp_path, "pass", relay=Relay(scratch, nth=0)).status == "finished"
    assert points(tmp_path) == []
    assert json.loads((tmp_path / "run" / "outcome.json").read_text())["status"] == "finished"


@pytest.mark.parametrize("link", ["", "journal", "journal/taken.jsonl"])
def test_no_link_that_the_action_sets_leads_to_the_records_of_another_store(tmp_path: Path, link: str) -> None:
    """As a container does that knows where the project's store would be; it logs one point, which must stay one."""
    target, scratch = tmp_path / "store", tmp_path / "run" / "scratch"
    script = f"""
import os, pathlib, shutil, time
import renex_jupyter as rx
rx.log_metric("loss", 0.5)
until = time.time() + 120
while not list(pathlib.Path("{target}").glob("journal/*")) and time.time() < until:
    time.sleep(0.05)
link = pathlib.Path("{scratch / link}")
if link.suffix:
    link.symlink_to(next(pathlib.Path("{target}/journal").glob("*points*")))
else:
    link.rename("{tmp_path}/away")
    link.symlink_to(pathlib.Path("{target}") / "{link}")
time.sleep(2)
os._exit(0)
"""
    script = f"import os; os.environ.update(RENEX_RUN_ID={RUN!r}, RENEX_RUN_STORE={str(scratch)!r})\n{script}"
    outcome = python(tmp_path, script, relay=Relay(str(scratch)))
    assert outcome.status == "finished", outcome.error
    assert points(tmp_path) == [("loss", 0, 0.5, None)]


NONSENSE = """
import glob, sys
import renex_jupyter as rx
from renex_jupyter.store.format import seal_line
import json
with rx.start_run("only") as run:
    rx.log_params({"lr": 0.5})
    rx.log_metric("loss", 1.0)
    here = run.run_id
def change(**told):
    row = {"run_id": here, "key": "k", "value": 1, "value_text": "1", "value_number": 1, **told.pop("d", {})}
    said = {"v": 1, "n": 9, "at": 10**15, "u": "x", "a": "create", "t": "params", "i": "x", "ns": "default"}
    return {**said, "b": None, "d": row, **told}
def point(**told):
    return {"o": "run", "i": here, "k": "bad", "s": 0, "w": 10**15, "y": 1.0, **told}
def tag(**told):
    return change(t="tags", d={"owner_kind": "run", "owner_id": here, "key": "who", "value": "x", **told})
changes = [
    change(d={"key": "number", "value_number": "abc"}), change(d={"key": 5}), change(d={"key": ""}), change(d={"key": None}),
    {"v": 1},
    {"t": "runs", "a": "create"}, change(at="x"), change(n=None), change(t=["params"]),
    change(d={"key": "more", "renamed": {"a": 1}, "value_text": [1]}), change(d={"key": "x" * 600}), [1], 7, "text", None,
    change(d={"key": "api_key", "value": "hunter2secret", "value_text": "hunter2secret", "value_number": None}),
    change(d={"key": "gone"}, a="delete"), change(t="runs", a="create", i=5),
    tag(key=5), tag(value={"a": 1}), tag(key="password", value="hunter2secret"), tag(key="half", value="\\ud800"),
]
points = [
    point(b="!!"), point(w=2**63 - 1), point(w=-2**62), point(w="now"), point(w=None), point(s=2**70), point(s="x"),
    point(s=True), point(s=None), point(y="abc"), point(y=[1]), point(y=None), point(y=True), point(x=5),
    point(x="\\ud800"), point(h=[1]),
    point(t="int", x="abc"), point(t="float64", h="[3]", b="AAAA"), point(t="evil", h="[3]", b="AAAA"), point(k=5), point(k=""),
    point(k="x" * 600), [1], 7, {}, point(y=int("9" * 400)),
    point(k="good", y="NaN"), point(k="good", y=2, s=1), point(k="other", i="cd" * 16),
]
deep = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"
for name in glob.glob(sys.argv[1] + "/journal/*.jsonl"):
    told = points if name.endswith(".points.jsonl") else changes
    with open(name, "ab") as file:
        for each in told:
            file.write(seal_line(json.dumps(each) if isinstance(each, dict) else json.dumps([each, 1])))
        file.write(seal_line(deep))
"""


def test_nonsense_in_whole_lines_is_left_out_counted_and_does_no_harm(tmp_path: Path, scratch: str) -> None:
    said: list[str] = []
    outcome = ran(tmp_path, sys.executable, "-c", NONSENSE, scratch, relay=Relay(scratch, nth=0), echo=said.append)
    assert outcome.status == "finished", outcome.error
    assert " records of its own store were not understood." in "".join(said)
    for folded in (False, True):
        if folded:
            Store(tmp_path / "store").fold()
        found = [each[:3] for each in points(tmp_path)]
        assert found[0][:2] == ("good", 0)
        assert found[1:] == [("good", 1, 2.0), ("loss", 0, 1.0)]
        params = rows(tmp_path, "select key, value_text, value_number from params order by key")
        assert [each for each in params if each[0] != "api_key"] == [
            ("lr", "0.5", 0.5),
            ("more", "1", 1.0),
            ("number", "1", 1.0),
        ]
        tags = dict(rows(tmp_path, "select key, value from tags"))
        assert tags.keys() <= {"password", "who"}
    for file in (tmp_path / "store").rglob("*"):
        assert not file.is_file() or b"hunter2secret" not in file.read_bytes()


def test_a_store_is_read_in_pieces_and_an_endless_line_costs_only_itself(
    tmp_path: Path, scratch: str, monkeypatch
) -> None:
    journal = Path(scratch) / "journal"
    monkeypatch.setattr(foreign_journals, "AT_ONCE", 2000)
    point = '{"o":"run","i":"%s","k":"loss","s":%d,"w":1000000000000000,"y":1.0}'
    lines = b"".join(seal_line(point % (RUN, step)) for step in range(1000))
    journal.mkdir(parents=True)
    (journal / "1-ab.000000.points.jsonl").write_bytes(b"x" * 10_000 + b"\n" + lines)
    recorder = Recorder(Order(RUN, str(tmp_path / "store"), ("x",), "/"))
    relay = relays.Relay(Relay(scratch), recorder)
    relay.look()
    assert len(recorder._lines) < 100
    relay.finish()
    recorder.finish()
    assert [each[1] for each in points(tmp_path)] == list(range(1000))


def test_a_fold_that_is_under_way_is_kept_away_once_it_has_ended(tmp_path: Path, scratch: str) -> None:
    layout = Layout(Path(scratch))
    layout.root.mkdir(parents=True)
    recorder = Recorder(Order(RUN, str(tmp_path / "store"), ("x",), "/"))
    with locks.hold(layout.fold_lock, timeout=0):
        relay = relays.Relay(Relay(scratch), recorder)
    assert not locks.is_held(layout.fold_lock)
    relay.look()
    assert locks.is_held(layout.fold_lock)
    relay.finish()
    assert not locks.is_held(layout.fold_lock)
