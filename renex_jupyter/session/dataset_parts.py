"""What is a dataset's own, and goes when it is deleted: versions, predictions, searches, patterns, drift, workspaces."""

from __future__ import annotations

from renex_jupyter.records.changes import Change
from renex_jupyter.records.datasets import Dataset
from renex_jupyter.session.belongings import deletions
from renex_jupyter.store.reader import Reader

_VERSION = "select dataset_version_id from inside.dataset_versions where dataset_id = $id"
_PATTERN = "select named_pattern_id from inside.named_patterns where dataset_id = $id"
_WORKSPACE = "select workspace_id from inside.workspaces where dataset_id = $id"
_PARTS = {  # table -> its key, whether a row belongs to the dataset, and what the deletion says it was
    "workspace_versions": ("workspace_version_id", f"workspace_id in ({_WORKSPACE})", "version"),
    "workspaces": ("workspace_id", "dataset_id = $id", "name"),
    "drift_reports": ("drift_report_id", "dataset_id = $id", "proposal"),
    "pattern_measures": (
        "pattern_measure_id",
        f"named_pattern_id in ({_PATTERN}) or dataset_version_id in ({_VERSION})",
        "change",
    ),
    "named_patterns": ("named_pattern_id", "dataset_id = $id", "name"),
    "failure_patterns": ("failure_pattern_id", f"dataset_version_id in ({_VERSION})", "predicate_text"),
    "pattern_searches": ("pattern_search_id", f"dataset_version_id in ({_VERSION})", "error"),
    "prediction_sets": ("prediction_set_id", f"dataset_version_id in ({_VERSION})", "name"),
    "dataset_versions": ("dataset_version_id", "dataset_id = $id", "version, digest"),
}
_OWNERS = {
    "dataset_versions": "dataset_version",
    "prediction_sets": "prediction_set",
    "named_patterns": "named_pattern",
    "failure_patterns": "failure_pattern",
    "drift_reports": "drift_report",
    "workspaces": "workspace",
}


def parts_of(read: Reader, record: Dataset) -> list[Change]:
    """Return the deletions of what a dataset has, and of what belongs to that: notes, tags, metrics, links.

    What a model version, a run or an evaluation says of a dataset stays as it was said.
    """
    parts = [
        Change(kind, row.pop("its_id"), "delete", {}, row, record.namespace)
        for kind, (key, condition, words) in _PARTS.items()
        for row in read.rows(
            f"select {key} as its_id, {words} from inside.{kind} where {condition} order by its_id",
            {"id": record.dataset_id},
        )
    ]
    owners = [(_OWNERS[each.kind], each.id) for each in parts if each.kind in _OWNERS]
    return [*deletions(read, [("dataset", record.dataset_id), *owners], record.namespace), *parts]
