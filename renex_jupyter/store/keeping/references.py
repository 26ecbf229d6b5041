"""References: which columns name an object of which kind, and which of those that are named have no record here."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from renex_jupyter.store import tables
from renex_jupyter.store.reader import Reader

# A snapshot before a run is recorded before its run: that one may be missing after a kill, every other may not. Parents and
# repeated runs are not here: a single run that was imported comes without them.
TARGETS = {
    "before_snapshot_id": "snapshots",
    "after_snapshot_id": "snapshots",
    "snapshot_id": "snapshots",
    "run_id": "runs",
    "session_id": "sessions",
    "environment_id": "environments",
    "hardware_id": "hardware",
    "code_id": "codes",
    "parts": "file_parts",
    "artifact_id": "artifacts",
    "checkpoint_id": "checkpoints",
    "model_id": "models",
    "model_version_id": "model_versions",
    "policy_id": "policies",
    "dataset_id": "datasets",
    "dataset_version_id": "dataset_versions",
    "reference_version_id": "dataset_versions",
    "current_version_id": "dataset_versions",
    "prediction_set_id": "prediction_sets",
    "pattern_search_id": "pattern_searches",
    "failure_pattern_id": "failure_patterns",
    "named_pattern_id": "named_patterns",
    "drift_report_id": "drift_reports",
    "workspace_id": "workspaces",
}
PARTS = ("snapshots", "parts")  # the one column that names many
AHEAD = {("snapshots", "run_id")}
_NAMED = """
    select snapshot_id as owner, path, sha256 from snapshot_files where sha256 is not null
    union all
    select run_id, 'what run ' || run_id[:8] || ' printed', output_sha256 from inside.runs where output_sha256 is not null
    union all
    select artifact_id, path, sha256 from artifact_files where sha256 is not null
        and artifact_id in (select artifact_id from inside.artifacts where mode = 'uploaded')
    union all
    select environment_id, key, value
    from (select environment_id, unnest(map_entries(try_cast(lock_files as map(varchar, varchar))), recursive := true)
          from inside.environments
          where locks_kept and environment_id in (
              select environment_id from inside.snapshots union all select environment_id from inside.runs
              union all select owner_id from inside.tags where owner_kind = 'environment'))
    union all
    select owner, f.role || ' of ' || what, f.sha256 from (
        select owner, what, unnest(from_json(files, '[{"role":"VARCHAR","sha256":"VARCHAR"}]')) as f
        from (select dataset_version_id as owner, 'dataset version ' || dataset_version_id[:8] as what, files
              from inside.dataset_versions
              union all
              select prediction_set_id, 'prediction set ' || prediction_set_id[:8], files from inside.prediction_sets))"""
NAMING = (
    "snapshots",
    "environments",
    "runs",
    "artifacts",
    "dataset_versions",
    "prediction_sets",
)  # kinds that name contents
_CONTENTS = f"""
    select sha256, any_value(path) as path, coalesce(max(taken_at) < max(purged_at), false) as is_purged
    from ({_NAMED})
    left join (select id as owner, min(at_us) as taken_at from inside.changes
               where kind in {tables.literal(NAMING)} group by id) using (owner)
    left join (select id as sha256, max(at_us) as purged_at from inside.changes where kind = 'blobs' group by id)
        using (sha256)
    group by sha256"""


@dataclass(frozen=True, slots=True)
class Dangling:
    """A column whose rows name objects of which there is no record."""

    kind: str
    column: str
    rows: dict[str, int]  # by the id that they name


def count(read: Reader) -> int:
    """Return how many references there are."""
    return sum(int(read.rows(f"select count({column}) as n from inside.{kind}")[0]["n"]) for kind, column, _ in _all())


def dangling(read: Reader) -> Iterator[Dangling]:
    """Yield the references to what has no record here; what was recorded and deleted may still be named."""
    for kind, column, target in _all():
        named = f"{column} as id" if (kind, column) != PARTS else "unnest(from_json(parts, '[\"VARCHAR\"]')) as id"
        rows = read.rows(f"""
            select id, count(*) as n from (select {named} from inside.{kind})
            where id is not null and id not in (select id from inside.changes where kind = '{target}')
            group by id order by id""")
        if rows:
            yield Dangling(kind, column, {row["id"]: row["n"] for row in rows})
    owners = read.rows(
        "select owner_id as id, count(*) as n from inside.points where owner_kind = 'run' "
        "and owner_id not in (select id from inside.changes where kind = 'runs') group by owner_id order by owner_id"
    )
    if owners:
        yield Dangling("metrics", "run_id", {row["id"]: row["n"] for row in owners})


def contents(read: Reader) -> Iterator[tuple[str, str]]:
    """Yield the SHA-256 of every content that a record names, with a path that has it.

    Left out is what was purged, unless what was recorded after the purge names it.
    """
    for row in read.rows(f"select sha256, path from ({_CONTENTS}) where not is_purged order by sha256"):
        yield row["sha256"], row["path"]


def contents_of(read: Reader, owners: Collection[str] | None = None) -> set[str]:
    """Return the SHA-256 of every content that some records name, by their ids; None: all of them."""
    mine = "" if owners is None else " where list_contains($owners::varchar[], owner)"
    rows = read.rows(f"select distinct sha256 from ({_NAMED}){mine}", None if owners is None else {"owners": [*owners]})
    return {row["sha256"] for row in rows}


def purged(read: Reader) -> set[str]:
    """Return the SHA-256 of every content that was purged, and that nothing has named since."""
    query = f"""
        select id from inside.changes where kind = 'blobs'
        except select sha256 from ({_CONTENTS}) where not is_purged"""
    return {row["id"] for row in read.rows(query)}


def _all() -> Iterator[tuple[str, str, str]]:
    """Yield kind, column and the kind that the column names."""
    for kind, table in tables.schema().tables.items():
        for column, _ in table.columns[1:]:
            if column in TARGETS and (kind, column) not in AHEAD:
                yield kind, column, TARGETS[column]
