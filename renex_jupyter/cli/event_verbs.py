"""The verbs of events and changes: event, events, time, timeline, watch."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from renex_jupyter.cli.answers import jsonable
from renex_jupyter.cli.parsing import add_verb
from renex_jupyter.errors import RenexError, from_os_error, invalid_argument
from renex_jupyter.ids import short
from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.events import FINISH, START, ChangeEvent, Event
from renex_jupyter.records.times import moment_of
from renex_jupyter.session import changes, events
from renex_jupyter.session.current import current

EVENT_VERBS = ("event", "events", "time", "timeline")  # also of a notebook
LINES = "-"  # as a name: events come as lines of JSON on standard input
OF_LINES = ("event", "source", "metadata", "wallclock", "phase", "span_id", "on")
UNSHOWN = ("_id", "_kind", "_at", "wallclock")  # ends of the names of fields
LINE_HINT = 'Write lines such as {"event": "deploy", "source": "ci", "metadata": {"build": 12}}.'


def add_event_verbs(verbs: Any, *, notebook: bool) -> None:
    """Add the verbs; only a terminal has one that goes on until it is interrupted."""
    log = add_verb(verbs, "event", "log that something happened, in training, inference or any other system")
    log.add_argument("name", metavar="NAME", help="such as deploy, epoch_start; -: lines of JSON from standard input")
    log.add_argument("--source", help="what says so, such as airflow")
    log.add_argument("--meta", metavar="KEY=VALUE", action="extend", nargs="+", default=[], help="what is to be known")
    phase = log.add_mutually_exclusive_group()
    phase.add_argument(
        "--start", dest="phase", action="store_const", const=START, help="something begins that takes time"
    )
    phase.add_argument("--finish", dest="phase", action="store_const", const=FINISH, help="it ends")
    log.add_argument("--span", metavar="ID", help="the same for the start and the finish of one, where several overlap")
    log.add_argument("--at", metavar="TIME", help="seconds since the epoch, a time, or how long ago (default: now)")
    log.add_argument("--on", metavar="WHAT", help="what it happened to: a run, experiment:NAME, MODEL:VERSION, ...")
    log.set_defaults(do=_lines if not notebook else _event, notebook=notebook)
    listing = add_verb(verbs, "events", "list events, newest first")
    listing.add_argument("on", nargs="?", metavar="RUN", help="of this run, or experiment:NAME, ... (default: all)")
    listing.add_argument("--name", help="of this name")
    listing.add_argument("--source", help="of this source")
    listing.add_argument("--since", metavar="WHEN", help="since a date, a time, or so long ago: 2d")
    listing.add_argument("-n", "--limit", type=int, default=20, help="at most this many (default 20)")
    listing.set_defaults(do=_list)
    spent = add_verb(verbs, "time", "say where the time of a run goes, by its events")
    spent.add_argument("run", nargs="?", metavar="RUN", help="id, prefix or name (default: the newest that has spans)")
    spent.set_defaults(do=lambda args: events.where_time_goes(args.run))
    drawn = add_verb(verbs, "timeline", "draw the events of a run over its time")
    drawn.add_argument("run", nargs="?", metavar="RUN", help="id, prefix or name (default: the newest that has spans)")
    if notebook:
        drawn.set_defaults(do=lambda args: events.timeline(args.run))
        return
    drawn.add_argument("--to", metavar="FILE.html", required=True, help="the page to write")
    drawn.set_defaults(do=_page)
    follow = add_verb(verbs, "watch", "tell each change of the store as it happens, until Ctrl-C")
    follow.add_argument(
        "--since", metavar="CURSOR", help="after this change; 0: all there ever was (default: from now on)"
    )
    follow.add_argument("--namespace", metavar="NAME", help="only of objects in it")
    follow.add_argument("--kinds", metavar="KIND", nargs="+", help="only of these tables, such as runs models")
    follow.add_argument("--actions", metavar="ACTION", nargs="+", help="only these, such as create register set")
    follow.add_argument("--for", dest="within", metavar="SECONDS", type=float, help="end after so long")
    follow.add_argument("--until-idle", metavar="SECONDS", type=float, help="end when nothing happened for so long")
    follow.set_defaults(do=_watch)


@dataclass(frozen=True, slots=True)
class Logged:
    """What came of lines on standard input."""

    events: int
    not_understood: int

    @property
    def ok(self) -> bool:
        """Whether every line was one."""
        return not self.not_understood

    def as_dict(self) -> dict[str, int]:
        """Return the counts, which JSON shows."""
        return {"events": self.events, "not_understood": self.not_understood}

    @property
    def title(self) -> str:
        return f"{display.count(self.events, 'event')} logged"

    def rows(self) -> Rows:
        return [("not understood", display.count(self.not_understood, "line") if self.not_understood else "")]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


def _lines(args: argparse.Namespace) -> Event | Logged:
    """Log one event, or those that standard input tells, each as it comes."""
    if args.name != LINES:
        return _event(args)
    said = {"--source": args.source, "--meta": args.meta, "--start or --finish": args.phase, "--span": args.span}
    for option, value in (said | {"--at": args.at}).items():
        if value:
            raise invalid_argument(f"{option} says nothing of events that come as lines.", LINE_HINT)
    logged = bad = 0
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        try:
            told = _told(line)
            events.log_event(told.pop("event"), **{"on": args.on, **told})
            logged += 1
        except RenexError as error:
            bad += 1
            print(display.printable(f"renex: line {number:,} is no event: {error.line}"), file=sys.stderr, flush=True)
    _write_out()
    return Logged(logged, bad)


def _told(line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise invalid_argument("it is no JSON.", LINE_HINT) from error
    if not isinstance(told, dict) or "event" not in told or not set(told) <= set(OF_LINES):
        raise invalid_argument(f"it is no object with 'event' and at most {', '.join(OF_LINES[1:])}.", LINE_HINT)
    return told


def _event(args: argparse.Namespace) -> Event:
    from renex_jupyter.capture.values import read_values

    metadata = {key: value for word in args.meta for key, value in read_values(word, {}).items()}
    found = events.log_event(
        args.name, args.source, metadata, _moment(args.at), on=args.on, phase=args.phase, span_id=args.span
    )
    _write_out()
    return found


def _moment(given: str | None) -> Any:
    if given is None:
        return None
    try:
        return float(given)
    except ValueError:
        return moment_of(given, "--at")


def _write_out() -> None:
    """Have what waits in memory written: this process ends now.

    Raises
    ------
    RenexError : the store does not take it.
    """
    try:
        current().write_what_is_left()
    except OSError as error:
        raise from_os_error(error, "the event cannot be written") from error


def _list(args: argparse.Namespace) -> Any:
    return events.list_events(args.on, name=args.name, source=args.source, since=args.since, limit=args.limit)


def _page(args: argparse.Namespace) -> Path:
    path = Path(args.to).expanduser()
    figure = events.timeline(args.run)
    try:
        path.write_text(figure.to_html(include_plotlyjs=True), encoding="utf-8")
    except OSError as error:
        raise from_os_error(error, "the page cannot be written") from error
    return path


def _watch(args: argparse.Namespace) -> None:
    """Print one line for each change; whoever reads them has each at once."""
    follow = changes.following(args.since, args.namespace, args.kinds, args.actions)
    for change in changes.until_idle(follow, args.until_idle, within=args.within):
        line = json.dumps(jsonable(change), ensure_ascii=False, allow_nan=False) if args.json else _line(change)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _line(change: ChangeEvent) -> str:
    said = change.after or change.before or {}
    shown = [
        (key, value)
        for key, value in said.items()
        if not key.endswith(UNSHOWN) and isinstance(value, (str, int, float))
    ]
    words = [display.moment(change.at), change.actor, change.action, change.object_kind, short(change.object_id)]
    return display.printable("  ".join([*words, display.pairs(shown[:4])]).rstrip())
