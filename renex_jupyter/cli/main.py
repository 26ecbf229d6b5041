"""`renex VERB ... [--json]`: the history of this project from a terminal."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

import pandas as pd

from renex_jupyter.cli.verbs import compact, parser_for, run_verb
from renex_jupyter.errors import RenexError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; exit status 0, 1 when something was found wrong, 2 for an error (told on stderr, or as JSON)."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        print(f"renex_jupyter {version('renex_jupyter')}")
        return 0
    as_json = "--json" in words
    words = [word for word in words if word != "--json"] or ["-h"]
    try:
        result = run_verb(parser_for("renex", notebook=False), words)
    except RenexError as error:
        said = RenexError(error.code, error.message, error.hint.replace("%renex ", "renex "))
        if as_json:
            print(json.dumps({"error": {"code": said.code, "message": said.message, "hint": said.hint}}))
        else:
            print(f"renex: {said}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if result is not None:
        print(json.dumps(jsonable(result), ensure_ascii=False, allow_nan=False) if as_json else _text(result))
    return 1 if getattr(result, "ok", True) is False else 0


def jsonable(value: Any) -> Any:
    """Return a result as JSON says it: rows as a list of objects, times as ISO 8601, NaN and inf as null."""
    if isinstance(value, pd.DataFrame):
        return [jsonable(row) for row in value.astype(object).to_dict(orient="records")]
    if hasattr(value, "as_dict"):
        return jsonable(value.as_dict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: jsonable(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(each) for each in value]
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, (datetime, pd.Timestamp)):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (bool, int, str)):
        return value
    item = getattr(value, "item", None)
    return jsonable(item()) if callable(item) else str(value)


def _text(value: Any) -> str:
    if isinstance(value, pd.DataFrame):
        return "nothing recorded" if value.empty else compact(value).to_string(index=False, na_rep="")
    return str(value)


if __name__ == "__main__":
    sys.exit(main())
