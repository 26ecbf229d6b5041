"""Questions about runs."""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from renex_jupyter.errors import RenexError, invalid_argument, not_found, shown, text_argument
from renex_jupyter.query.conditions import HINT, NUMBERS, Conditions
from renex_jupyter.query.objects import RUN, find_object
from renex_jupyter.query.orders import direction
from renex_jupyter.query.run_files import changed_files
from renex_jupyter.records.metrics import SYSTEM
from renex_jupyter.records.runs import FileChange, Run
from renex_jupyter.store import liveness
from renex_jupyter.store.reader import Reader
from renex_jupyter.store.run_folders import OUTCOME
from renex_jupyter.store.tables import among, literal

if TYPE_CHECKING:
    import pandas as pd

_WORDS = "concat_ws(' ', name, task, experiment, namespace, status, run_id, notebook, user_name)"
_MAPS = {  # what a condition of `search_runs` may name beside the columns of runs; the id, the maps, and of what
    "params": (
        "run_id",
        {"params": "value_text", NUMBERS: "value_number"},
        "params where true",
    ),
    "metrics": ("owner_id", {"metrics": "value"}, "latest_metrics where owner_kind = 'run'"),
    "tags": ("owner_id", {"tags": "value"}, "tags where owner_kind = 'run' and value is not null"),
}
NUMBER_OF_PARAM = "params.lr < 0.1"
# Of runs; one is archived by itself, or with its experiment or namespace.
NOT_ARCHIVED = """(not coalesce(archived, false)
    and (namespace, experiment) not in (select (namespace, name) from experiments where archived)
    and namespace not in (select name from namespaces where archived))"""
_SORTABLE = ("started_at", "ended_at", "duration_s", "name", "status", "experiment", "task")


def find_run(read: Reader, wanted: object) -> str:
    """Return the id of the run that a name, an id or a unique prefix means, as `find_object` reads it."""
    return find_object(read, wanted, (RUN,))[1]


def find_runs(read: Reader, wanted: Sequence[str]) -> dict[str, str | None]:
    """Return id -> name of the runs that some words mean, in their order.

    A word is read as `find_run` does, but a whole id goes before a name: these are found with one question.
    """
    if not wanted:
        return {}
    known = _names(read, wanted)
    others = [find_run(read, each) for each in wanted if each not in known]
    names = known | (_names(read, others) if others else {})
    meant = iter(others)
    return {run_id: names[run_id] for run_id in (each if each in known else next(meant) for each in wanted)}


def _names(read: Reader, run_ids: Sequence[str]) -> dict[str, str | None]:
    query = f"select run_id, name from inside.runs where {among('run_id', run_ids)}"
    return {row["run_id"]: row["name"] for row in read.rows(query)}


def unfinished_run(read: Reader, namespace: str, experiment: str, name: str, parent: str | None) -> str | None:
    """Return the id of the newest run of a name that a program opened, if it did not come to its end.

    Parameters
    ----------
    parent : the run around it; None: it has none, or one that is a task.
    """
    rows = read.rows(
        """select run_id, status from inside.runs r
        where namespace = $namespace and experiment = $experiment and name = $name and kind = 'block'
            and rerun_of is null and not coalesce(archived, false)
            and case when $parent is null
                then parent_run_id is null
                    or parent_run_id not in (select run_id from inside.runs where kind = 'block')
                else parent_run_id = $parent end
        order by started_at desc, run_id limit 1""",
        {"namespace": namespace, "experiment": experiment, "name": name, "parent": parent},
    )
    return rows[0]["run_id"] if rows and rows[0]["status"] in ("lost", "failed", "stopped") else None


def get_run(read: Reader, run_id: str) -> Run:
    """Return one run with its params, last metrics and tags.

    Raises
    ------
    RenexError : `not_found` when no run has exactly this id.
    """
    rows = read.rows("select * from inside.runs where run_id = ?", [run_id])
    if not rows:
        raise not_found("run", run_id)
    row = rows[0]
    if row["status"] == "running" and _is_lost(read, row):
        row["status"] = "lost"
    row["action"] = json.loads(row["action"]) if row["action"] else None
    ended = row["before_snapshot_id"] and row["after_snapshot_id"]
    row["files"] = tuple(FileChange(**each) for each in changed_files(read, run_id)) if ended else ()
    values = _values(read, [run_id], param="value").get(run_id, {})
    params = {key: None if value is None else json.loads(value) for key, value in values.get("params", {}).items()}
    return Run(**row, params=params, metrics=values.get("metrics", {}), tags=values.get("tags", {}))


def last_metrics(read: Reader, run_id: str) -> dict[str, float]:
    """Return the last values of a run's metrics, those of the system left out."""
    found: dict[str, float] = _values(read, [run_id]).get(run_id, {}).get("metrics", {})
    return found


def vanished_runs(read: Reader) -> list[dict[str, Any]]:
    """Return the runs that still say `running` but whose process is gone: run_id, namespace."""
    return [row for row in _running(read) if _is_gone(row)]


def lost_runs(read: Reader) -> list[str]:
    """Return the ids of those of `vanished_runs` that left no word of how they ended: they are `lost`."""
    return [row["run_id"] for row in _running(read) if _is_lost(read, row)]


def runs_that_go_on(read: Reader, run_ids: Sequence[str]) -> set[str]:
    """Return those of some runs that are not over."""
    if not run_ids:
        return set()
    lost = lost_runs(read)
    query = f"select run_id from inside.runs where status = 'running' and {among('run_id', run_ids)}"
    return {row["run_id"] for row in read.rows(query)} - set(lost)


def _running(read: Reader) -> list[dict[str, Any]]:
    return read.rows(
        "select run_id, namespace, pid, pid_started, boot_id, host from inside.runs where status = 'running'"
    )


def _is_gone(row: Mapping[str, Any]) -> bool:
    return liveness.is_gone(row["pid"], row["pid_started"], row["boot_id"], row["host"])


def _is_lost(read: Reader, row: Mapping[str, Any]) -> bool:
    """Say whether nobody will tell how a run ended: its supervisor goes before the end is recorded, with a word of it."""
    return _is_gone(row) and not (read.layout.runs / row["run_id"] / OUTCOME).exists()


def count_runs(read: Reader, *, search: str = "") -> int:
    """Return how many runs match a search text."""
    source, params = _matching(read, search)
    return int(read.rows(f"select count(*) as n from {source}", params)[0]["n"])


def list_runs(
    read: Reader,
    *,
    search: str = "",
    order_by: str = "started_at",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> list[dict[str, Any]]:
    """Return one page of runs for a list: the columns of `runs` and `metrics`, the last value by key.

    Parameters
    ----------
    search : words that must all be in the name, task, experiment, status, id, a tag, or a param (`key=value`).
    order_by : one of started_at, ended_at, duration_s, name, status, experiment, task.

    Returns
    -------
    dicts of all columns of `runs`, with `status` already `lost` where the process is gone, plus `metrics`: {key: value},
    `params`: {key: text} and `tags`: {key: text}.
    """
    way = direction("runs", order_by, _SORTABLE, descending=descending)
    source, params = _matching(read, search)
    order = f"{order_by} {way} nulls last, run_id"
    page = {**params, "limit": limit, "offset": offset}
    rows = read.rows(f"select * from {source} order by {order} limit $limit offset $offset", page)
    values = _values(read, [row["run_id"] for row in rows])
    return [{**row, "metrics": {}, "params": {}, "tags": {}, **values.get(row["run_id"], {})} for row in rows]


def _values(read: Reader, run_ids: Sequence[str], *, param: str = "value_text") -> dict[str, dict[str, dict[str, Any]]]:
    """Return run id -> `params`, `metrics`, `tags` -> key -> value, in the order of the keys; without what is empty.

    Parameters
    ----------
    param : the column of `params` to return, `value_text` or `value` (JSON).
    """
    if not run_ids:
        return {}
    query = f"""
        select * from (
            select 'params' as kind, run_id, key, {param}::varchar as text, null::double as number from params
            where {among("run_id", run_ids)}
            union all
            select 'metrics', run_id, key, null, value from latest_metrics
            where owner_kind = 'run' and {among("owner_id", run_ids)} and not starts_with(key, '{SYSTEM}')
            union all
            select 'tags', owner_id, key, value, null from tags
            where owner_kind = 'run' and {among("owner_id", run_ids)}
        ) order by key"""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in read.rows(query):
        value = row["number"] if row["kind"] == "metrics" else row["text"]
        found.setdefault(row["run_id"], {}).setdefault(row["kind"], {})[row["key"]] = value
    return found


def search_runs(
    read: Reader,
    *,
    where: str | None = None,
    order_by: str | None = None,
    limit: int = 1000,
    offset: int = 0,
    namespace: str | None = None,
    archived: bool = False,
) -> pd.DataFrame:
    """Return runs as a DataFrame: the columns of `runs`, then `params.KEY`, `metrics.KEY` (last values), `tags.KEY`.

    Parameters
    ----------
    where : SQL over the columns of `runs`, `metrics.KEY`, `params.KEY` and `tags.KEY`; see docs/metrics.md. Also
        `params['lr']` (text), `metrics['loss']` (number), `tags['k']`.
    order_by : SQL over the same, such as "metrics.accuracy desc". Of equal runs the newest comes first, so that pages
        neither overlap nor leave one out.
    offset : how many runs of that order are left out.
    namespace : only runs of this one.
    archived : also those that are archived, by themselves or with their experiment or namespace.

    Raises
    ------
    RenexError : `invalid_argument` with DuckDB's own words, or for an argument of another type.
    """
    most, first = check_search(where, order_by, limit, offset, namespace)
    asked = Conditions(read)
    condition = asked.where(where) if where and where.strip() else "true"
    order = f"{asked.order(order_by)}, " if order_by and order_by.strip() else ""
    clauses = [f"namespace = {literal(namespace)}"] if namespace is not None else []
    clauses += [] if archived else [NOT_ARCHIVED]
    within = f" where {' and '.join(clauses)}" if clauses else ""
    joins = "".join(f" left join ({_map_of(name, keys)}) using (run_id)" for name, keys in asked.keys.items())
    maps = [each for name in asked.keys for each in _MAPS[name][1]]
    filled = ", ".join(f'coalesce("{each}", map {{}}) as "{each}"' for each in maps)
    left_out = ", ".join(f'"{each}"' for each in maps)
    query = f"""
        select * {f"exclude ({left_out})" if maps else ""}
        from (select * {f"replace ({filled})" if maps else ""} from (select * from runs{within}){joins}) as runs
        where {condition}
        order by {order}started_at desc, run_id desc
        limit {most} offset {first}"""
    try:
        frame = read.ask(query)
    except RenexError as error:
        raise _with_hint(error, f"{where or ''} {order_by or ''}") from error
    return _widened(read, frame)


def _map_of(name: str, keys: AbstractSet[str] | None) -> str:
    """Return a SELECT of a map, or two, by run; only of the keys that are asked for, where these are known."""
    owner, maps, source = _MAPS[name]
    which = "" if keys is None else f" and {among('key', sorted(keys))}"
    made = ", ".join(
        f'map(list(key order by key), list({value} order by key)) as "{each}"' for each, value in maps.items()
    )
    return f"select {owner} as run_id, {made} from {source}{which} group by {owner}"


def _with_hint(error: RenexError, asked: str) -> RenexError:
    """Return an error of DuckDB with what to write instead."""
    if "Conversion Error" in error.message and ("params" in asked.lower() or "tags" in asked.lower()):
        hint = (
            f"A param is text, and not a number in every run: write {NUMBER_OF_PARAM} or "
            "try_cast(params['lr'] as double) < 0.1, which pass over those."
        )
        return RenexError(error.code, error.message, hint)
    if "Binder Error" in error.message:
        return RenexError(error.code, error.message, HINT)
    return error


def check_search(
    where: object, order_by: object, limit: object, offset: object = 0, namespace: object = None
) -> tuple[int, int]:
    """Return limit and offset of `search_runs`, if it can take these and the rest; asked before there is a store, too.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    if where is not None:
        text_argument(where, "a condition", f'Use SQL, such as where="{NUMBER_OF_PARAM}".')
    if order_by is not None:
        text_argument(order_by, "an order", """Use SQL, such as order_by="metrics.accuracy desc".""")
    if namespace is not None:
        text_argument(namespace, "a namespace", 'Use its name, such as namespace="vision".')
    return _count("limit", limit), _count("offset", offset)


def _count(what: str, given: object) -> int:
    count = operator.index(given) if hasattr(given, "__index__") and not isinstance(given, bool) else -1
    if not 0 <= count < 2**63:
        raise invalid_argument(
            f"{what} {shown(given)} is no number of runs.", f"Use a whole number, such as {what}=100."
        )
    return count


def _widened(read: Reader, frame: pd.DataFrame) -> pd.DataFrame:
    """Put one column per key of the params, metrics and tags beside the columns of runs."""
    import pandas as pd

    values = _values(read, frame["run_id"].tolist())
    wide: dict[str, list[Any]] = {}
    for kind in _MAPS:
        maps = [values.get(run_id, {}).get(kind, {}) for run_id in frame["run_id"]]
        keys = sorted({key for each in maps for key in each})
        wide |= {f"{kind}.{key}": [each.get(key) for each in maps] for key in keys}
    return pd.concat([frame, pd.DataFrame(wide, index=frame.index)], axis=1) if wide else frame


def _matching(read: Reader, search: str) -> tuple[str, dict[str, Any]]:
    """Return a relation of the runs that have every word of the search, and its parameters; `lost` is told already.

    What is archived is passed over.
    """
    clauses = [NOT_ARCHIVED]
    params: dict[str, Any] = {"gone": lost_runs(read)}
    for place, word in enumerate(search.split()):
        params[f"word{place}"] = word
        texts = (
            ("", _WORDS, ""),
            ("run_id in (select run_id from params where ", "key || '=' || value_text", ")"),
            ("run_id in (select owner_id from tags where ", "key || '=' || value", ")"),
        )
        has = [f"{before}contains(lower({text}), lower($word{place})){after}" for before, text, after in texts]
        clauses.append(f"({' or '.join(has)})")
    seen = "case when list_contains($gone::varchar[], run_id) then 'lost' else status end as status"
    return f"(select * from (select * replace ({seen}) from runs) where {' and '.join(clauses)})", params
