"""A loop whose progress is shown on one line and logged on the open run: `for epoch in rx.track(range(10), "epochs")`."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, Generic, TextIO, TypeVar

from renex_jupyter.errors import RenexError, invalid_argument, shown, told, warn
from renex_jupyter.ids import new_id
from renex_jupyter.session.current import current
from renex_jupyter.session.events import log_event
from renex_jupyter.session.points import checked_name
from renex_jupyter.session.runs import active_run

Item = TypeVar("Item")
SHOW = 0.25  # seconds between two looks of the line
LONGEST_NAME = 400  # characters; the keys of the metrics have some more


class Track(Generic[Item]):
    """An iterable that gives what another one gives, and tells how far it is."""

    def __init__(self, iterable: Iterable[Item], name: str | None, total: int | None, every: float) -> None:
        self._iterable = iterable
        self._name = name
        self._total = total
        self._every = every

    def __len__(self) -> int:
        return len(self._iterable)  # type: ignore[arg-type]  # of one that has none this says so

    def __bool__(self) -> bool:
        return bool(self._iterable)

    def __iter__(self) -> Iterator[Item]:
        loop = _Loop(self._name, self._total if self._total is not None else _length(self._iterable), self._every)
        clock, done = time.perf_counter, 0
        due = loop.begin()
        try:
            for item in self._iterable:
                yield item
                done += 1
                if clock() >= due:
                    due = loop.look(done)
        except GeneratorExit:  # a `break`, or an exception in the block
            loop.end(done, "stopped")
            raise
        except BaseException as error:  # of the iterable itself
            loop.end(done, told(error))
            raise
        loop.end(done, None)


class _Loop:
    """One pass of a loop: its line, its metrics, its events. The first fault of ours is told, once."""

    def __init__(self, name: str | None, total: int | None, every: float) -> None:
        self.name = name or (f"loop {len(_shown.loops) + 1}" if _shown.loops else "loop")
        self.total = total
        self.every = every
        self.text = ""
        self._span = new_id()
        self._out = _where_to_show()
        self._told = False

    def begin(self) -> float:
        """Begin, and return when to look again, as `perf_counter` says it."""
        self._began = self._logged = time.perf_counter()
        _shown.loops.append(self)
        self._event("start", {} if self.total is None else {"total": self.total})
        return self._began + min(SHOW if self._out else self.every, self.every)

    def look(self, done: int) -> float:
        """Show and log how far it is, and return when to look again."""
        moment = time.perf_counter()
        if moment >= self._logged + self.every:
            self._logged = moment
            self._log(done)
        self._show(done)
        return time.perf_counter() + min(SHOW if self._out else self.every, self.every)

    def end(self, done: int, why: str | None) -> None:
        """Show and log how far it came; `why` it did not come to its end."""
        self._log(done)
        self._event("finish", {"items": done} if why is None else {"items": done, "ended": why})
        outermost = _shown.loops[:1] == [self]
        if outermost or time.perf_counter() >= _shown.at + SHOW:  # else short loops inside would fill the page
            self._show(done, why)
        with suppress(ValueError):  # another thread may hold the generator
            _shown.loops.remove(self)
        self._write("\n" if not _shown.loops else "", last=True)

    def rate(self, done: int) -> float:
        """Return the items per second so far."""
        return done / max(time.perf_counter() - self._began, 1e-9)

    def _log(self, done: int) -> None:
        try:
            active = active_run()
            if active is None:
                return
            values: dict[str, float] = {
                f"progress/{self.name}/items": done,
                f"progress/{self.name}/rate": self.rate(done),
            }
            if self.total:
                values[f"progress/{self.name}"] = done / self.total
            active.points.log(list(values.items()), None, time.time_ns() // 1000)
        except Exception as error:  # noqa: BLE001  whatever it is, it is our fault and not the user's
            self._tell(error)

    def _event(self, phase: str, metadata: dict[str, Any]) -> None:
        try:
            if active_run() is not None:
                log_event(self.name, "track", metadata, phase=phase, span_id=self._span)
        except Exception as error:  # noqa: BLE001  as above
            self._tell(error)

    def _show(self, done: int, why: str | None = None) -> None:
        if self._out is None:
            return
        self.text = line(self.name, done, self.total, self.rate(done), why)
        said = " | ".join(each.text for each in _shown.loops if each.text)
        blank = " " * max(0, _shown.width - len(said))
        _shown.width, _shown.at = len(said), time.perf_counter()
        self._write(f"\r{said}{blank}")

    def _write(self, text: str, *, last: bool = False) -> None:
        if self._out is None or not text:
            return
        if last:
            _shown.width = 0
        try:
            self._out.write(text)
            self._out.flush()
        except Exception:  # noqa: BLE001  a terminal that is gone
            self._out = None

    def _tell(self, error: Exception) -> None:
        if not self._told:
            self._told = True
            why = error.line if isinstance(error, RenexError) else told(error)
            warn(f"the progress of '{self.name}' is not recorded: {why}")


class _Shown(threading.local):
    """The loops of this thread that go on, the outermost first; they share one line."""

    def __init__(self) -> None:
        self.loops: list[_Loop] = []
        self.width = 0  # characters of the line
        self.at = 0.0  # when it was written, as `perf_counter` says it


_shown = _Shown()


def track(
    iterable: Iterable[Item], name: str | None = None, *, total: int | None = None, every: float = 2.0
) -> Track[Item]:
    """Give what an iterable gives, show on one line how far it is, and log it on the open run.

    Metrics of the run: `progress/NAME` (share that is done, 0 to 1, where the total is known), `progress/NAME/items`,
    `progress/NAME/rate` [items/s]; events: the start and the finish of NAME, a span. Without an open run nothing is
    logged, and none is opened. The line is shown in a notebook and in a terminal, by the main thread, and nowhere else.

    Parameters
    ----------
    name : what is counted, such as "epochs"; None: "loop".
    total : how many items there will be, where `len(iterable)` does not say it.
    every : seconds between two points; an item itself costs less than a microsecond.

    Raises
    ------
    RenexError : `invalid_argument` for what is no iterable, or an argument that is none. What the iterable raises is not
        touched.
    """
    if not (hasattr(iterable, "__iter__") or hasattr(iterable, "__getitem__")):
        raise invalid_argument(f"{shown(iterable)} cannot be iterated over.", "Use rx.track(range(10)).")
    if name is not None:
        name = checked_name("loop", name, 'rx.track(items, "epochs")')[:LONGEST_NAME]
    if total is not None and (type(total) is not int or total < 0):
        raise invalid_argument(f"total={shown(total)} is no number of items.", "Use total=100, or None.")
    if type(every) not in (int, float) or not every > 0:
        raise invalid_argument(f"every={shown(every)} is no number of seconds above 0.", "Use every=2.0.")
    return Track(iterable, name, total, float(every))


def line(name: str, done: int, total: int | None, rate: float, why: str | None = None) -> str:
    """Return the line of one loop: `epochs 45% 9/20, 3.1/s, 0:04 left`."""
    speed = (
        f"{rate:,.0f}/s" if rate >= 10 or rate == 0 else f"{rate:.2g}/s" if rate >= 0.1 else f"{1 / rate:,.0f} s each"
    )
    if not total:
        said = f"{name} {done:,}, {speed}"
    else:
        left = max(0, total - done)
        rest = f", {_minutes(left / rate)} left" if left and rate and why is None else ""
        said = f"{name} {100 * done // total}% {done:,}/{total:,}, {speed}{rest}"
    return said if why is None else f"{said}, {why.splitlines()[0] if why else 'stopped'}"


def _minutes(seconds: float) -> str:
    whole = int(min(seconds, 359_999_999))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _length(iterable: Any) -> int | None:
    try:
        return len(iterable)
    except Exception:  # noqa: BLE001  a generator has none, and some say so in their own way
        return None


def _where_to_show() -> TextIO | None:
    """Return where a line can be written over: the output of a notebook's cell, or a terminal."""
    if threading.current_thread() is not threading.main_thread():
        return None
    if getattr(current().shell, "kernel", None) is not None:
        return sys.stdout
    try:
        return sys.stderr if sys.stderr.isatty() else None
    except Exception:  # noqa: BLE001  a stream of somebody else
        return None
