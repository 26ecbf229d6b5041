"""The Dockerfile that an environment was made of: as a text for other tools, and what of it only an image can have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from renex_jupyter.records.environments import Environment

DIRECTIVE = re.compile(r"#\s*(?:syntax|escape|check)\s*=", re.IGNORECASE)
HERE = re.compile(r"<<-?\s*([\"']?)(\w+)\1")  # of RUN, COPY and ADD: what follows is text, up to that word
ESCAPE = re.compile(r"^#\s*escape\s*=\s*(\S)", re.IGNORECASE | re.MULTILINE)
PYTHON = re.compile(r"(?:--\S+\s+)*(?:\S+/)?python(?::\S*)?(?:\s|$)", re.IGNORECASE)
COPYING = frozenset({"COPY", "ADD"})
# What tells of an image, or of what is started in it, changes nothing of what is installed.
TELLING = frozenset(
    {"ARG", "LABEL", "MAINTAINER", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "CMD", "ENTRYPOINT", "ONBUILD"}
)


def kept_text(environment: Environment) -> str:
    """Return the Dockerfile itself; where it copies files, a comment names those that were kept with it."""
    lines = (environment.dockerfile or "").splitlines(keepends=True)
    first = next((place for place, line in enumerate(lines) if not DIRECTIVE.match(line)), len(lines))
    return "".join([*lines[:first], *_beside(environment), *lines[first:]])


def not_in_a_venv(environment: Environment) -> tuple[str, ...]:
    """Return the instructions that are not done where the environment is built as a virtual one, each once."""
    done = TELLING | {"FROM"}
    found = [word for word, rest in _instructions(environment) if word not in done or _is_other_base(word, rest)]
    return tuple(dict.fromkeys(found))


def _is_other_base(word: str, rest: str) -> bool:
    return word == "FROM" and not PYTHON.match(rest)


def _beside(environment: Environment) -> Iterator[str]:
    """Yield the comments; parser directives must come before them."""
    if any(word in COPYING for word, _ in _instructions(environment)):
        kept = " ".join(", ".join(environment.lock_files or {}).split()) or "nothing"
        yield f"# It copies files. Kept with it, as read from its folder: {kept}.\n"


def _instructions(environment: Environment) -> Iterator[tuple[str, str]]:
    """Yield the instructions with their first lines; what a line goes on with is passed over."""
    text = environment.dockerfile or ""
    escape = found[1] if (found := ESCAPE.search(text)) else "\\"
    goes_on, ends = False, list[str]()
    for line in text.splitlines():
        said = line.strip()
        if ends:
            ends = ends[1:] if said == ends[0] else ends
            continue
        if not said or said.startswith("#"):
            continue
        if not goes_on:
            word, _, rest = said.partition(" ")
            yield word.upper(), rest.strip()
        goes_on = said.endswith(escape)
        ends = [each[2] for each in HERE.finditer(said)]
