"""What our errors advise, as it is typed in a terminal."""

from __future__ import annotations

import ast
import re
import shlex

MAGIC = re.compile(r"(?<!%)%(renex|task)\b")
NAMING = re.compile(r"\bname_environment\(('[^']*'), ('[^']*')\)")
OPTION = re.compile(r"\b[a-z_]+=\S+ \((--[a-z-]+)\)")  # allow_missing=True (--allow-missing)
FOLDER = re.compile(r"\bto=\.\.\.")


def for_terminal(text: str) -> str:
    """Return a text with magics and calls as the words of `renex`."""
    text = MAGIC.sub(lambda found: "renex" if found[1] == "renex" else "renex task", text)
    text = NAMING.sub(lambda found: f"renex env name {_word(found[1])} {_word(found[2])}", text)
    return FOLDER.sub("--to FOLDER", OPTION.sub(r"\1", text))


def _word(literal: str) -> str:
    return shlex.quote(str(ast.literal_eval(literal)))
