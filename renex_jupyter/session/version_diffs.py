"""Compare two model versions: what they were told, what they reached, what they ran in, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from renex_jupyter.analysis.diff import diff_cells, diff_files, diff_packages, diff_values, flatten
from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.query import artifacts as artifact_query
from renex_jupyter.query import models as query
from renex_jupyter.query.environments import get_environment
from renex_jupyter.records import display
from renex_jupyter.records.artifacts import Artifact
from renex_jupyter.records.diffs import State, ValueChange
from renex_jupyter.records.models import Model, ModelVersion
from renex_jupyter.records.snapshots import FileEntry
from renex_jupyter.records.version_diffs import DIFFERENT, EQUAL, UNKNOWN, ModelVersionDiff
from renex_jupyter.session.aliases import version_of
from renex_jupyter.session.current import Session, current
from renex_jupyter.session.diffs import kept_state
from renex_jupyter.store.reader import Reader

CODE = "code"  # the role of a file
FILE_MODE = 0o644
FACTS = ("dataset", "framework")


def compare_versions(
    a: str | ModelVersion | Model, b: int | str | ModelVersion | Model, *, unchanged: bool = False
) -> ModelVersionDiff:
    """Compare two versions over params, metrics, packages, files, dataset and code.

    Parameters
    ----------
    a, b : references such as `digits:1` and `digits@champion`, ids or records; of `b` a number means a version of the
        same model.
    unchanged : also tell the params, metrics and facts that are equal.

    Raises
    ------
    RenexError : `not_found`, `ambiguous`, `invalid_argument`.
    """
    if not isinstance(unchanged, bool):
        raise invalid_argument(f"unchanged={shown(unchanged)} is neither True nor False.", "Use unchanged=True.")
    session = current()
    read = session.store.reader
    first = query.find_version(read, a, session.namespace)
    model = query.find_model(read, first["model_id"])
    other = query.find_version(read, b, session.namespace) if isinstance(b, Model) else _other(read, session, model, b)
    one, two = query.as_version(read, first), query.as_version(read, other)
    values = {"facts": _facts, "params": _params, "metrics": _metrics}
    sides = {name: (of(one), of(two)) for name, of in values.items()}
    changes = {name: diff_values(*pair, relative=name == "metrics") for name, pair in sides.items()}
    environments = [_environment(session, each) for each in (one, two)]
    contents = [_contents(read, each) for each in (one, two)]
    code, overview = _code(session, one.snapshot_id, two.snapshot_id)
    return ModelVersionDiff(
        a=one.reference,
        b=two.reference,
        **changes,
        packages=diff_packages(*environments) if None not in environments else (),  # type: ignore[arg-type]
        files=diff_files(*map(_entries, contents)) if None not in contents else (),
        code=code,
        code_overview=overview,
        unchanged={name: _equal(pair, changes[name]) for name, pair in sides.items()} if unchanged else {},
        notes=tuple(_notes(one, two, environments, contents)),
    )


def _other(read: Reader, session: Session, model: Mapping[str, Any], wanted: object) -> dict[str, Any]:
    """Return the row of the second version: a number, and a word without a model, are of the first one's model."""
    if isinstance(wanted, str) and not wanted.strip().startswith(("@", ":")) and not _is_number(wanted):
        return query.find_version(read, wanted, session.namespace)
    if isinstance(wanted, ModelVersion):
        return query.find_version(read, wanted)
    return version_of(read, model, wanted)


def _is_number(word: str) -> bool:
    return word.strip().removeprefix("v").isdecimal()


def _facts(version: ModelVersion) -> dict[str, Any]:
    return {name: value for name in FACTS if (value := getattr(version, name)) is not None}


def _params(version: ModelVersion) -> dict[str, Any]:
    return flatten(version.params)


def _metrics(version: ModelVersion) -> dict[str, Any]:
    return {**version.metrics, **version.logged}


def _equal(pair: tuple[dict[str, Any], dict[str, Any]], changes: tuple[ValueChange, ...]) -> dict[str, Any]:
    differing = {each.key for each in changes}
    return {key: value for key, value in sorted(pair[0].items()) if key not in differing}


def _environment(session: Session, version: ModelVersion) -> State | None:
    """Return the packages of a version as they can be compared; None where they are not known."""
    if version.environment_id is None:
        return None
    with suppress(RenexError):  # it was purged, or does not read
        made = get_environment(session.store.reader, version.environment_id)
        return State("", packages={each.name: each for each in made.packages}, python=made.python)
    return None


def _contents(read: Reader, version: ModelVersion) -> Artifact | None:
    with suppress(RenexError):  # a policy has let go of it
        return artifact_query.get_artifact(read, version.artifact_id)
    return None


def _entries(contents: Artifact | None) -> dict[str, FileEntry]:
    assert contents is not None
    if contents.files is None:
        return {contents.name: FileEntry(contents.name, "file", "file", contents.sha256, contents.size or 0, FILE_MODE)}
    return {
        each.path: FileEntry(each.path, "file", each.kind, each.sha256, each.size or 0, each.mode or FILE_MODE)
        for each in contents.files
    }


def _code(session: Session, a: str | None, b: str | None) -> tuple[str, str]:
    """Say whether the cells and code files of two snapshots are equal, and how much of them differs."""
    if a is None or b is None:
        return UNKNOWN, ""
    if a == b:
        return EQUAL, ""
    try:
        one, two = kept_state(session, a), kept_state(session, b)
    except RenexError:  # one of them was deleted
        return UNKNOWN, ""
    cells = diff_cells(one.cells, two.cells)
    files = diff_files(*({path: e for path, e in state.files.items() if e.role == CODE} for state in (one, two)))
    counts = ((len(cells), "cell"), (len(files), "file"))
    overview = ", ".join(display.count(n, noun) for n, noun in counts if n)
    return (DIFFERENT, f"({overview}; rx.diff('{a[:8]}', '{b[:8]}') shows them)") if overview else (EQUAL, "")


def _notes(
    one: ModelVersion, two: ModelVersion, environments: list[State | None], contents: list[Artifact | None]
) -> list[str]:
    pairs = list(zip((one, two), environments, contents, strict=True))
    said = [f"The environment of {version.reference} is not known." for version, found, _ in pairs if found is None]
    said += [f"The contents of {version.reference} are there no more." for version, _, found in pairs if found is None]
    hashes = [each.sha256 for each in contents if each is not None and each.sha256]
    if len(hashes) == len(set(hashes)) + 1:
        said.append("Their contents are the same.")
    return said
