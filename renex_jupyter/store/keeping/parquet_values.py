"""A text in the values of Parquet files: these are compressed, so that no look at the bytes finds it."""

from __future__ import annotations

from renex_jupyter.store.blobs import Blobs
from renex_jupyter.store.sought import Sought
from renex_jupyter.store.workbench import Workbench, literal, quoted


def stands_in_values(blobs: Blobs, sha256: str, sought: Sought) -> bool:
    """Say whether a text stands in a value of a content that is a Parquet file.

    Raises
    ------
    RenexError : the file cannot be read as Parquet.
    """
    texts = [_decoded(each) for each in sought.texts]
    with Workbench() as bench:
        bench.files("content", [blobs.as_file(sha256, bench.folder)])
        for column, type_ in bench.columns("content").items():
            name = quoted(column)
            if type_ == "BLOB":
                conditions = [f"regexp_matches(hex({name}), '^(..)*{each.hex().upper()}')" for each in sought.texts]
            else:
                said = _texts_of(name, type_)
                conditions = [f"contains({form}, {literal(text)})" for form in said for text in texts if text]
            if bench.value(f"select 1 from content where {' or '.join(conditions)} limit 1"):
                return True
            if sought.lines and _has_lines(bench, name, type_, sought):
                return True
    return False


def _texts_of(name: str, type_: str) -> tuple[str, ...]:
    """Return a column as text: what is in lists and structs also as JSON, which is how a text with quotes is sought."""
    return (name,) if type_ == "VARCHAR" else (f"cast({name} as varchar)", f"cast(to_json({name}) as varchar)")


def _has_lines(bench: Workbench, name: str, type_: str, sought: Sought) -> bool:
    """Say whether lines follow each other in a value, with whatever space or quotes between them."""
    form = _texts_of(name, type_)[-1]
    lines = [
        " or ".join(f"contains({form}, {literal(text)})" for text in map(_decoded, forms) if text)
        for forms in sought.lines
    ]
    rows = bench.values(f"select {form} from content where {' and '.join(f'({line})' for line in lines if line)}")
    return any(sought.stands_in([str(value).encode()]) for (value,) in rows)


def _decoded(text: bytes) -> str | None:
    """Return a form as text; None for one that only files in other encodings have."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return None
