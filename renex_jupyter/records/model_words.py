"""The words of the registry: names of models, their aliases and labels; and the texts that mean a version."""

from __future__ import annotations

import re
from dataclasses import dataclass

from renex_jupyter.errors import RenexError, invalid_argument, shown, text_argument
from renex_jupyter.records.experiments import DEFAULT_NAMESPACE
from renex_jupyter.records.keys import LONGEST_KEY

LATEST = "latest"  # the alias that always names the newest version which is not retired
REFERENCE_HINT = "Write 'digits:3', 'digits@champion', 'digits@latest' or, with its namespace, 'vision/digits:3'."
_REFERENCE = re.compile(r"(?:(?P<namespace>.+)/)?(?P<model>[^/:@]+)(?::v?(?P<version>\d+)|@(?P<alias>[^/:@]+))?")
_NUMBER = re.compile(r"v?(\d+)", re.IGNORECASE)
_NEARLY = re.compile(r"[^:@]+:(?P<alias>[^/:@]+)")  # as other registries name an alias
_HIGHEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Reference:
    """A model, or a version of it, as a text names it."""

    namespace: str
    model: str
    version: int | None = None
    alias: str | None = None

    @property
    def names_a_version(self) -> bool:
        """Whether it says more than the model."""
        return self.version is not None or self.alias is not None


def parse(text: str, namespace: str = DEFAULT_NAMESPACE) -> Reference:
    """Return what `[namespace/]model[:version|@alias]` says.

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    found = _REFERENCE.fullmatch(text.strip())
    if found is None:
        alias = _NEARLY.fullmatch(text.strip())
        near = f"Did you mean '{text.strip().replace(':', '@')}'? " if alias and "/" not in alias["alias"] else ""
        raise invalid_argument(f"{shown(text)} names no model and no version of one.", near + REFERENCE_HINT)
    version = min(int(found["version"][:20]), _HIGHEST) if found["version"] else None
    return Reference(found["namespace"] or namespace, found["model"].strip(), version, found["alias"])


def number_of(word: object) -> int | None:
    """Return the number that a version is called by: 3, "3", "v3"; None for any other word."""
    if isinstance(word, bool):
        return None
    if hasattr(word, "__index__"):
        return min(max(int(word.__index__()), 0), _HIGHEST)
    found = _NUMBER.fullmatch(word.strip()) if isinstance(word, str) else None
    return min(int(found[1][:20]), _HIGHEST) if found else None


def checked_word(what: str, word: object) -> str:
    """Return the name of a model, an alias or a label, if it can be one.

    Parameters
    ----------
    what : "model", "alias" or "label".

    Raises
    ------
    RenexError : `invalid_argument`.
    """
    hint = f"Use a text of 1 to {LONGEST_KEY} characters without any of / : @, such as {EXAMPLES[what]!r}."
    text = text_argument(word, f"the name of a{'n' if what == 'alias' else ''} {what}", hint)
    wrong = {
        "is blank": not text.strip(),
        f"has {len(text):,} characters": len(text) > LONGEST_KEY,
        "has one of / : @, which part the words of a reference": not set(text).isdisjoint("/:@"),
        "begins or ends with a blank, or has what nobody can type": text != text.strip() or not text.isprintable(),
    }
    for why, holds in wrong.items():
        if holds:
            raise invalid_argument(f"the name {shown(text)} of the {what} {why}.", hint)
    return text


def checked_alias(word: object) -> str:
    """Return an alias that can be set.

    Raises
    ------
    RenexError : `invalid_argument` also for `latest`, and for what looks like the number of a version.
    """
    alias = checked_word("alias", word)
    if alias.lower() == LATEST:
        raise _reserved(alias, "always means the newest version that is not retired")
    if number_of(alias) is not None:
        raise _reserved(alias, "looks like the number of a version")
    return alias


def _reserved(alias: str, why: str) -> RenexError:
    return invalid_argument(
        f"'{alias}' cannot be set as an alias: it {why}.", f"Use a word, such as {EXAMPLES['alias']!r}."
    )


EXAMPLES = {"dataset": "adult", "model": "digits", "alias": "champion", "label": "quantised"}
