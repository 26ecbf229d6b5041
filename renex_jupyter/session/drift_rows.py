"""The rows that a look at drift compares: which are the reference, which are looked at, in which windows, which columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from renex_jupyter.analysis.drift_columns import Compared, compared, is_list, why_not
from renex_jupyter.analysis.drift_windows import make_windows
from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import invalid_argument, not_found, shown
from renex_jupyter.query.contents import open_samples
from renex_jupyter.records.datasets import KEY, DatasetVersion
from renex_jupyter.records.drift import LABEL
from renex_jupyter.store.blobs import Blobs
from renex_jupyter.store.workbench import Workbench, quoted

WINDOW = "drift window"  # the column with the number of a row's window
SIDES = ("reference", "current")


@dataclass(frozen=True, slots=True)
class Rows:
    """What lies on the workbench: views `reference` and `current`, and tables of their keys, `... keys`."""

    windows: tuple[str, ...] = ()  # names
    period: str | None = None
    outside: int = 0  # rows of the current data in no window

    @property
    def window(self) -> str | None:
        """The column with the number of a row's window; None without windows."""
        return WINDOW if self.windows else None


def open_rows(
    bench: Workbench, blobs: Blobs, reference: DatasetVersion, current: DatasetVersion, by: object, first: int
) -> Rows:
    """Name the rows of both sides on a workbench.

    Parameters
    ----------
    by : what makes windows, see `make_windows`; None: none.
    first : of one version, how many windows are the reference.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    same = reference.dataset_version_id == current.dataset_version_id
    open_samples(bench, blobs, reference, "reference samples")
    open_samples(bench, blobs, current, "current samples")
    if by is None:
        for side in SIDES:
            bench.run(f"create view {side} as select *, null::int as {quoted(WINDOW)} from {quoted(f'{side} samples')}")
            _keys(bench, side, None)
        return Rows()
    time = next(iter(current.named("time")), None)
    made = make_windows(bench, "current samples", by, time)
    names, first_names, skipped = _without_secrets(made.names), tuple[str, ...](), 0
    if same:
        skipped = _checked_first(first, len(names))
        first_names, names = names[:skipped], names[skipped:]
    numbered = f'(select *, {made.expression} as {quoted(WINDOW)} from "current samples")'
    if same:
        bench.run(f"create view reference as from {numbered} where {quoted(WINDOW)} < {skipped}")
    else:
        bench.run(f'create view reference as select *, null::int as {quoted(WINDOW)} from "reference samples"')
    bench.run(f"""
        create view current as select * replace ({quoted(WINDOW)} - {skipped} as {quoted(WINDOW)}) from {numbered}
        where {f"coalesce({quoted(WINDOW)}, {skipped}) >= {skipped}"}""")
    # Columns of times may be missing in a reference of another version; its order tells nothing then.
    _keys(bench, "reference", made.order if same else None)
    _keys(bench, "current", made.order)
    outside = bench.value('select count(*) from "current keys" where number is null')
    period = f"{made.said}, {names[0]} to {names[-1]}"
    return Rows(names, f"{period}; reference: {_span(first_names)}" if same else period, int(outside))


def choose_columns(
    bench: Workbench, reference: DatasetVersion, current: DatasetVersion, wanted: Sequence[str] | None
) -> tuple[list[Compared], list[str], dict[str, str]]:
    """Return the columns to compare with the label among them, the embeddings, and what is left out with the reason.

    Raises
    ------
    RenexError : `invalid_argument` for a wanted column that neither has.
    """
    before, now = (bench.columns(side) for side in SIDES)
    roles = {each.name: each.role for version in (reference, current) for each in version.fields}
    names = [name for name in {**before, **now} if name not in (KEY, WINDOW)]
    if wanted is not None:
        names = _wanted(wanted, names)
    chosen, embeddings, left_out = list[Compared](), list[str](), dict[str, str]()
    for name in names:
        role = roles.get(name, "attribute")
        if name not in before or name not in now:
            left_out[name] = "new: the reference does not have it" if name in now else "gone: only the reference has it"
        elif is_list(before[name]) and is_list(now[name]):
            embeddings.append(name)
        elif (reason := why_not(before[name]) or why_not(now[name])) is not None:
            left_out[name] = reason
        elif wanted is None and role in ("key", "image", "time", "split"):
            left_out[name] = f"the {role}"
        else:
            label = LABEL if role == "target" else "column"
            chosen.append(compared(name, before[name], now[name], role=label, words=role == "text"))
    return chosen, embeddings, left_out


def _wanted(wanted: Sequence[str], names: Sequence[str]) -> list[str]:
    if isinstance(wanted, str) or not all(isinstance(each, str) for each in wanted):
        raise invalid_argument(f"columns={shown(wanted)} is no list of names.", "Write columns=['age', 'income'].")
    for each in wanted:
        if each not in names:
            raise not_found("column", each, names, listing="rx.get_dataset_version(...).fields")
    return list(dict.fromkeys(wanted))


def _keys(bench: Workbench, side: str, order: str | None) -> None:
    """Make the table of a side's keys: the number of the window, the place in the order, and the moment as a text."""
    by = f"order by {order} nulls last" if order else ""
    moment = f"({order})::varchar" if order else "null::varchar"
    bench.run(f"""
        create table {quoted(f"{side} keys")} as
        select {KEY}, {quoted(WINDOW)} as number, row_number() over ({by}) - 1 as place, {moment} as moment
        from {quoted(side)}""")
    if order is None:
        bench.run(f"update {quoted(f'{side} keys')} set moment = 'row ' || (place + 1)")


def _checked_first(first: object, windows: int) -> int:
    if not isinstance(first, int) or isinstance(first, bool) or first < 1:
        raise invalid_argument(f"first={shown(first)} is no number of windows.", "Give a number from 1.")
    if first >= windows:
        raise invalid_argument(
            f"there {'is 1 window' if windows == 1 else f'are {windows} windows'}, and {first} of them would be the "
            "reference: none is left to compare.",
            "Make shorter windows (by='at:day'), or compare two versions: rx.drift('name:1', 'name:2').",
        )
    return first


def _without_secrets(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of windows, which may be values of the user; one that had a secret is told by its number, too."""
    clean = [(redact_text(name), name) for name in names]
    return tuple(kept if kept == name else f"{kept} {place}" for place, (kept, name) in enumerate(clean, 1))


def _span(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
