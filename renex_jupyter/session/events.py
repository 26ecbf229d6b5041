"""Events: what happens in training, inference or an outside system is logged; spans say where the time goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from renex_jupyter.capture.secrets import redact, redact_text
from renex_jupyter.errors import RenexError, invalid_argument, shown, text_argument, told, warn
from renex_jupyter.ids import content_id, new_id
from renex_jupyter.query import events as query
from renex_jupyter.query.owners import find_owner
from renex_jupyter.records import events as records
from renex_jupyter.records.changes import Change, fields
from renex_jupyter.records.events import FINISH, START, Event
from renex_jupyter.records.owners import Owner
from renex_jupyter.records.params import keep_param
from renex_jupyter.records.times import moment_of
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.runs import active_run

if TYPE_CHECKING:
    import pandas as pd

MOST_WAITING = 100_000  # records in memory while the store cannot be written
METADATA_HINT = "Give a dict, such as {'step': 3}."
LIMIT_HINT = "Give a whole number from 1."
NO_FAULT_OF_OURS = frozenset({"invalid_argument", "unsupported_value", "not_found", "ambiguous"})  # codes
_told: set[tuple[str, str]] = set()  # what was refused, and why


def log_event(
    name: str,
    source: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    wallclock: float | datetime | None = None,
    *,
    on: object = None,
    phase: str | None = None,
    span_id: str | None = None,
) -> Event:
    """Log that something happened; the same event may be logged any number of times, and each is kept.

    A start and the finish that follows it are a span, whose duration is asked with `where_time_goes`. Names say it
    themselves: `epoch_start`, `before_epoch`, `epoch begin` are the start of `epoch`; `epoch_end`, `after_epoch`,
    `epoch done` its finish. Nothing of this stops the program: a value of the metadata that JSON cannot say is left out
    with a warning, and an event that the store does not take waits in memory, and is written with the next record.

    Parameters
    ----------
    source : what says so, such as "trainer", "inference" or "airflow".
    metadata : names and values, such as {"step": 3}; values whose name says "secret" are not kept.
    wallclock : when it happened, seconds since the epoch or an aware datetime, kept to the microsecond; None: now.
    on : what it happened to, such as a run, an experiment or a model version; None: the open run, else the experiment
        of this session.
    phase : "start" or "finish"; None: what the name says.
    span_id : the same text for the start and the finish of one span, where it overlaps others of its name.

    Raises
    ------
    RenexError : `invalid_argument`, `unsupported_value` for an argument that is none, `not_found` and `ambiguous` for `on`.
    """
    return _logged(name, source, metadata, on, wallclock=wallclock, phase=phase, span_id=span_id)[0]


@contextmanager
def event(
    name: str, source: str | None = None, metadata: Mapping[str, Any] | None = None, *, on: object = None
) -> Iterator[Event]:
    """Log the start and the finish of a block as one span: `with rx.event("checkpoint"): save(model)`.

    It may also stand above a function, as `@rx.event("validation")`. Where the block fails, the metadata say with which
    error. The duration is that of a steady clock, whatever is done to the clock of the machine meanwhile.

    Raises
    ------
    RenexError : as `log_event`; what the block raises is not touched.
    """
    began = time.monotonic()
    start, owner = _logged(name, source, metadata, on, phase=START, span_id=new_id()[:16])
    failed: dict[str, str] = {}
    try:
        yield start
    except BaseException as error:
        failed = {"error": told(error)[:4000]}
        raise
    finally:
        ended = start.wallclock + timedelta(seconds=time.monotonic() - began)
        if owner is not None:
            _finish(start, owner, failed, ended, current())


def list_events(
    on: object = None,
    *,
    name: str | None = None,
    source: str | None = None,
    since: object = None,
    limit: int = 1000,
) -> pd.DataFrame:
    """Return events, newest first.

    Parameters
    ----------
    on : what they happened to, such as a run or "experiment:digits"; None: anything.
    since : a datetime, a date, a time as text, or how long ago, such as "2d".

    Returns
    -------
    DataFrame (n <= limit, 10): event_id, owner_kind, owner_id, run_id, name, source, phase, wallclock [UTC],
        metadata [JSON text], span_id.

    Raises
    ------
    RenexError : `not_found`, `ambiguous` for `on`; `invalid_argument`.
    """
    for what, word in (("name", name), ("source", source)):
        if word is not None:
            text_argument(word, f"the {what} of events", 'Use a text, such as name="epoch".')
    _check_limit(limit)
    moment = None if since is None else moment_of(since, "since")
    session = current()
    read = session.store.reader
    owner = None if on is None else find_owner(read, on, session.namespace)
    return query.list_events(read, owner, name=name, source=source, since=moment, limit=limit)


def where_time_goes(run: object = None) -> pd.DataFrame:
    """Return what took the time of a run: spans by name and source, the longest total first.

    Spans may lie in one another (an epoch holds its checkpoints) and run side by side; each name is told as it is, so that
    shares may add up to more than 1.

    Parameters
    ----------
    run : the run, or anything else that events are logged on; None: the open run, else the newest that has spans.

    Returns
    -------
    DataFrame (n, 8): name, source, spans [count, of those that ended], open [count, started and never ended], total_s [s],
        mean_s [s], max_s [s], share [1, total_s of the duration of the run so far].

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    read, owner = _asked(run)
    return query.time_by_name(read, owner)


def timeline(run: object = None) -> Any:
    """Return a Plotly figure (`go.Figure`) of the spans and events of a run: a row per name, seconds to the right.

    Parameters
    ----------
    run : as of `where_time_goes`.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    import plotly.graph_objects as go  # type: ignore[import-untyped]

    from renex_jupyter.analysis.timeline import timeline_figure

    read, owner = _asked(run)
    since, until = query.frame_of_time(read, owner)
    spans, instants = query.spans_of(read, owner), query.instants_of(read, owner)
    return go.Figure(timeline_figure(spans, instants, title=owner.title, since=since, until=until))


def _logged(
    name: str, source: str | None, metadata: Mapping[str, Any] | None, on: object, **when: Any
) -> tuple[Event, Owner | None]:
    """Log an event; return it with what it happened to, None where nobody knows that, and it is not recorded."""
    session = current()
    kept = _kept(name, metadata)
    owner, failed = _owner(session, on)
    found = records.event(owner, redact(name), source=redact(source), metadata=kept, **when)
    if failed is not None and on is not None:
        _tell("on", f"events are not recorded: {failed.line}")
        return found, None
    _write(session, Change("events", found.event_id, "create", fields(found), namespace=owner.namespace))
    return found, owner


def _check_limit(limit: object) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise invalid_argument(f"limit={shown(limit)} lists nothing.", LIMIT_HINT)


def _asked(run: object) -> tuple[Any, Owner]:
    session = current()
    read = session.store.reader
    if run is None:
        active = active_run()
        found = active.run_id if active is not None else query.newest_run(read)
        if found is None:
            raise RenexError("not_found", "there is no run yet.", "Log spans: with rx.event('epoch'): ...")
        run = f"run:{found}"
    return read, find_owner(read, run, session.namespace)


def _owner(session: Session, on: object) -> tuple[Owner, RenexError | None]:
    """Return what an event happened to, and why that is not known for sure."""
    here = next((each for each in session.runs if each is on), None)
    if here is not None:
        return Owner("run", here.run_id, here.run.namespace, f"run '{here.name}'"), None
    try:
        if on is not None:
            return find_owner(session.store.reader, on, session.namespace), None
        active = active_run()
        if active is not None:
            return Owner("run", active.run_id, active.run.namespace, f"run '{active.name}'"), None
    except (RenexError, OSError) as error:
        if on is not None and getattr(error, "code", "") in NO_FAULT_OF_OURS:
            raise
        failed = error if isinstance(error, RenexError) else RenexError("permission", f"{error}.")
        return _experiment(session), failed
    try:
        session.begin()
        session.ensure_experiment(session.namespace, session.experiment)
        word = f"experiment:{session.namespace}/{session.experiment}"
        return find_owner(session.store.reader, word, session.namespace), None
    except (RenexError, OSError) as error:
        return _experiment(session), error if isinstance(error, RenexError) else RenexError("permission", f"{error}.")


def _experiment(session: Session) -> Owner:
    """Return the experiment of the session as it is named where nobody renamed one."""
    key = content_id([session.namespace, session.experiment])[:32]
    return Owner("experiment", key, session.namespace, f"experiment '{session.namespace}/{session.experiment}'")


def _finish(start: Event, owner: Owner, failed: Mapping[str, str], ended: datetime, session: Session) -> None:
    """Log the finish of a block; nothing that fails here hides what the block itself raised."""
    finish = records.event(
        owner,
        start.name,
        source=start.source,
        metadata=redact(dict(failed)),
        wallclock=ended,
        phase=FINISH,
        span_id=start.span_id,
    )
    run = next((each for each in session.runs if each.run_id == start.run_id), None)
    namespace = run.run.namespace if run is not None else owner.namespace
    _write(session, Change("events", finish.event_id, "create", fields(finish), namespace=namespace))


def _kept(name: object, metadata: object) -> dict[str, Any]:
    """Return the metadata that JSON can say, without secrets; what is left out is told, once per event, key and reason.

    Raises
    ------
    RenexError : `invalid_argument` for what is no mapping.
    """
    if metadata is not None and not isinstance(metadata, Mapping):
        raise invalid_argument(f"metadata are no {type(metadata).__name__}.", METADATA_HINT)
    kept: dict[str, Any] = {}
    for key, value in (metadata or {}).items():
        try:
            said, _ = keep_param(f"'{key}' of event {shown(name)}", value)
            kept[str(key)] = redact(said, str(key))
        except RenexError as error:
            _tell(f"{name}/{key}", f"{error.message} It is left out. {error.hint}")
        except Exception as error:  # noqa: BLE001  the key's own __str__
            _tell(
                f"{name}",
                f"a name in the metadata of event {shown(name)} raised {type(error).__name__}; it is left out.",
            )
    return kept


def _write(session: Session, change: Change) -> None:
    """Write an event; what the store does not take is written with the next record that it takes."""
    try:
        session.write_what_is_left()
        session.store.write(change)
    except (RenexError, OSError) as error:
        reason = redact_text(error.line if isinstance(error, RenexError) else str(error))
        if getattr(error, "code", "") == "too_large":
            _tell("size", f"an event is not recorded: {reason}")
        elif len(session.unwritten) < MOST_WAITING:
            session.unwritten.append(change)
            _tell("", f"events cannot be written yet; they wait in memory: {reason}")
        else:
            _tell("lost", f"events are lost, because more than {MOST_WAITING:,} records wait in memory: {reason}")


def _tell(what: str, text: str) -> None:
    if (what, text) not in _told:
        _told.add((what, text))
        warn(text)
