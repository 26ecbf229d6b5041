"""What differs between two dataset versions: samples by their keys, columns, fields, annotations; in SQL on a workbench."""

from __future__ import annotations

from collections.abc import Mapping

from renex_jupyter.analysis.row_digest import family, row_hash
from renex_jupyter.records.dataset_diffs import DatasetDiff
from renex_jupyter.records.datasets import ANNOTATION_COLUMNS, KEY, DatasetVersion, Field
from renex_jupyter.store.workbench import Workbench, quoted

SHOWN = 1000  # keys of each kind that a diff lists; the counts are of all
_K = quoted(KEY)


def diff_versions(bench: Workbench, a: DatasetVersion, b: DatasetVersion) -> DatasetDiff:
    """Compare two versions whose views are `samples_a`, `samples_b`, `annotations_a`, `annotations_b` on a workbench."""
    types_a, types_b = bench.columns("samples_a"), bench.columns("samples_b")
    own_a, own_b = {each.name: each for each in a.fields}, {each.name: each for each in b.fields}
    both = [name for name in own_a if name in own_b and family(types_a[name]) == family(types_b[name])]
    if a.digest == b.digest and a.fields == b.fields:
        return DatasetDiff(a.reference, b.reference, unchanged=a.n_samples)
    _stage(bench, both, types_a, types_b)
    counts = bench.rows("""
        select count(*) filter (ha is null) as added, count(*) filter (hb is null) as removed,
               count(*) filter (ha <> hb) as changed, count(*) filter (ha = hb) as unchanged from paired""")[0]
    changed = [row[0] for row in bench.values(_keys("ha <> hb"))]
    return DatasetDiff(
        a.reference,
        b.reference,
        added=tuple(row[0] for row in bench.values(_keys("ha is null"))),
        removed=tuple(row[0] for row in bench.values(_keys("hb is null"))),
        changed=_columns_of(bench, both, types_a, types_b) if changed else {},
        changed_columns=_per_column(bench, both, types_a, types_b) if counts["changed"] else {},
        n_added=counts["added"],
        n_removed=counts["removed"],
        n_changed=counts["changed"],
        unchanged=counts["unchanged"],
        fields_added=tuple(each for name, each in own_b.items() if name not in own_a),
        fields_removed=tuple(each for name, each in own_a.items() if name not in own_b),
        fields_changed=_fields_changed(own_a, own_b),
        **_annotations(bench),
    )


def _stage(bench: Workbench, both: list[str], types_a: Mapping[str, str], types_b: Mapping[str, str]) -> None:
    """Make the table of keys with the hashes of what both versions have of a row."""
    for side, types in (("a", types_a), ("b", types_b)):
        columns = {name: types[name] for name in both} or {KEY: "VARCHAR"}
        bench.run(
            f"create or replace view hashed_{side} as select {_K} as k, {row_hash(columns)} as h from samples_{side}"
        )
    bench.run("""
        create or replace table paired as
        select coalesce(a.k, b.k) as k, a.h as ha, b.h as hb from hashed_a a full join hashed_b b on a.k = b.k""")


def _keys(condition: str) -> str:
    return f"select k from paired where {condition} order by try_cast(k as bigint), k limit {SHOWN}"


def _columns_of(
    bench: Workbench, both: list[str], types_a: Mapping[str, str], types_b: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Return the first of the changed samples with the columns that changed."""
    said = ", ".join(f"case when {_differs(name, types_a, types_b)} then {_text(name)} end" for name in both)
    query = f"""
        select c.k, list_filter([{said}], each -> each is not null)
        from ({_keys("ha <> hb")}) c join samples_a a on a.{_K} = c.k join samples_b b on b.{_K} = c.k
        order by try_cast(c.k as bigint), c.k"""
    return {key: tuple(names) for key, names in bench.values(query)}


def _per_column(
    bench: Workbench, both: list[str], types_a: Mapping[str, str], types_b: Mapping[str, str]
) -> dict[str, int]:
    """Return how many samples changed in each column, the most first."""
    said = ", ".join(f"count(*) filter ({_differs(name, types_a, types_b)})" for name in both)
    query = f"""
        select {said} from (select k from paired where ha <> hb) c
        join samples_a a on a.{_K} = c.k join samples_b b on b.{_K} = c.k"""
    counted = dict(zip(both, bench.values(query)[0], strict=True))
    return {name: int(n) for name, n in sorted(counted.items(), key=lambda pair: -pair[1]) if n}


def _differs(name: str, types_a: Mapping[str, str], types_b: Mapping[str, str]) -> str:
    return f"{row_hash({name: types_a[name]}, table='a')} <> {row_hash({name: types_b[name]}, table='b')}"


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _fields_changed(a: Mapping[str, Field], b: Mapping[str, Field]) -> dict[str, tuple[Field, Field]]:
    return {name: (a[name], b[name]) for name in a if name in b and a[name] != b[name]}


def _annotations(bench: Workbench) -> dict[str, int]:
    """Return how many annotations were added and removed, whatever their ids."""
    columns = {name: kind for name, kind in ANNOTATION_COLUMNS.items() if name != "annotation_id"}
    counted = bench.rows(f"""
        select coalesce(sum(greatest(nb - na, 0)), 0)::bigint as annotations_added,
               coalesce(sum(greatest(na - nb, 0)), 0)::bigint as annotations_removed
        from (select h, count(*) filter (side = 'a') as na, count(*) filter (side = 'b') as nb
              from (select {row_hash(columns)} as h, 'a' as side from annotations_a
                    union all select {row_hash(columns)}, 'b' from annotations_b) group by h)""")
    return {name: int(n) for name, n in counted[0].items()}
