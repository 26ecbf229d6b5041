"""Predicates as a person writes them: `age >= 30 and sex in ('F', 'X') or contains(review, 'bad')`.

It is what SQL says, as far as a predicate goes, and what `str(predicate)` writes, `30 <= age < 40` among it. Nothing of the
text ever becomes SQL: it is read into the tree, whose names are quoted and whose values are bound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NoReturn

from renex_jupyter.errors import RenexError, invalid_argument, shown
from renex_jupyter.records.predicates import (
    COMPARISONS,
    CONTAINS,
    DEEPEST,
    KEYWORDS,
    PARTS,
    RANGE,
    Condition,
    Every,
    Not,
    Predicate,
    Some,
)

HINT = (
    "Write conditions on columns such as age >= 30 and sex in ('F', 'X') or contains(review, 'bad'); is null, is nan, "
    "between, hour(), dayname(), monthname() and length() are known, too. Texts go in 'single', odd names in \"double\" quotes."
)
Value = str | int | float | bool
_SAME = {"==": "=", "<>": "!="}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}
LONGEST = 100_000  # characters
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number> [+-]? (?: \d+\.?\d* | \.\d+ ) (?: [eE][+-]?\d+ )? (?![\w.]) | [+-](?:inf|infinity)\b )
      | (?P<text> '(?:[^']|'')*' )
      | (?P<name> "(?:[^"]|"")+" )
      | (?P<word> [^\W\d]\w* )
      | (?P<sign> <> | <= | >= | != | == | [=<>(),;] )
    )""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str  # number, text, name, word, sign, end
    text: str
    at: int  # character, from 0


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a condition is about: a column, or a part of it."""

    column: str
    part: str | None = None

    def condition(self, op: str, value: Any = None) -> Condition:
        return Condition(self.column, op, value, self.part)


def parse(text: str) -> Predicate:
    """Return the predicate that a text says.

    Raises
    ------
    RenexError : `invalid_argument` for what is no predicate; it names the place.
    """
    if len(text) > LONGEST:
        raise invalid_argument(f"a filter of {len(text):,} characters is too long.", "Select by ids, or by a column.")
    reading = _Reading(text)
    found = reading.either(0)
    reading.expect_end()
    return found


class _Reading:
    """One text on its way into a tree."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0

    def either(self, depth: int) -> Predicate:
        if depth > DEEPEST:
            raise invalid_argument(f"the filter is nested deeper than {DEEPEST}.", HINT)
        parts = [self._all(depth)]
        while self._takes("or"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else Some(tuple(parts))

    def expect_end(self) -> None:
        if self._next.kind != "end":
            self._refuse()

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _all(self, depth: int) -> Predicate:
        parts = [self._one(depth)]
        while self._takes("and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _one(self, depth: int) -> Predicate:
        if depth > DEEPEST:
            raise invalid_argument(f"the filter is nested deeper than {DEEPEST}.", HINT)
        if self._takes("not"):
            return Not(self._one(depth + 1))
        if self._takes("("):
            found = self.either(depth + 1)
            self._expect(")")
            return found
        for words, whole in ((("every", "sample"), Every()), (("no", "sample"), Some())):
            if self._take_all(words):
                return whole
        if (function := self._function()) is not None:
            return function
        if self._is_value():
            return self._after_value()
        return self._after_subject(self._subject())

    def _function(self) -> Predicate | None:
        """Return `contains(column, 'word')` or `isnan(column)`, if that comes next."""
        if self._take_all((CONTAINS, "(")):
            subject = self._subject()
            self._expect(",")
            word = self._value()
            self._expect(")")
            return self._contains(subject, word)
        if self._take_all(("isnan", "(")):
            subject = self._subject()
            self._expect(")")
            return subject.condition("is nan")
        return None

    def _after_value(self) -> Predicate:
        """Read `30 <= age`, or `30 <= age < 40`."""
        low, first = self._value(), self._comparison()
        subject = self._subject()
        if not self._is_comparison():
            return subject.condition(_MIRRORED[first], low)
        second, high = self._comparison(), self._value()
        if (first, second) == ("<=", "<"):
            if isinstance(low, bool) or isinstance(high, bool):
                self._refuse()
            return subject.condition(RANGE, (low, high))
        return Every((subject.condition(_MIRRORED[first], low), subject.condition(second, high)))

    def _after_subject(self, subject: _Subject) -> Predicate:
        if self._is_comparison():
            return subject.condition(self._comparison(), self._value())
        if self._takes("is"):
            return self._state(subject)
        if self._takes(CONTAINS):
            return self._contains(subject, self._value())
        negated = self._takes("not")
        if self._takes("in"):
            return subject.condition("not in" if negated else "in", self._values())
        if self._takes("between"):
            low = self._value()
            self._expect("and")
            both = Every((subject.condition(">=", low), subject.condition("<=", self._value())))
            return Not(both) if negated else both
        if negated or not (self._next.kind == "end" or self._next.text.lower() in ("and", "or", ")")):
            self._refuse()
        return subject.condition("=", True)  # a column of booleans says it itself

    def _state(self, subject: _Subject) -> Predicate:
        negated = self._takes("not")
        if self._takes("null"):
            return subject.condition("is not null" if negated else "is null")
        if self._takes("nan"):
            found: Predicate = subject.condition("is nan")
        elif self._take_all(("a", "number")):
            found = subject.condition(RANGE, (None, None))
        elif self._next.text.lower() in ("true", "false"):
            found = subject.condition("=", self._value())
        else:
            self._refuse()
        return Not(found) if negated else found

    def _contains(self, subject: _Subject, word: Value) -> Predicate:
        if not isinstance(word, str):
            raise invalid_argument(f"{shown(word)} is no word that '{subject.column}' may contain.", HINT)
        return subject.condition(CONTAINS, word)

    def _subject(self) -> _Subject:
        """Read a column, or a part of it: `age`, `hour(at)`; a column may have the name of a part."""
        for part in PARTS:
            if self._take_all((part, "(")):
                column = self._column()
                self._expect(")")
                return _Subject(column, part)
        return _Subject(self._column())

    def _column(self) -> str:
        token = self._next
        if token.kind == "name":
            self._at += 1
            return token.text[1:-1].replace('""', '"')
        if token.kind != "word" or token.text.lower() in KEYWORDS:
            self._refuse()
        self._at += 1
        return token.text

    def _is_value(self) -> bool:
        token = self._next
        return token.kind in ("number", "text") or token.text.lower() in ("inf", "infinity")

    def _value(self) -> Value:
        token, word = self._next, self._next.text.lower()
        if word == "null" or (token.kind == "word" and word == "nan"):
            raise invalid_argument(f"nothing compares with {word}.", f"Write: column is {word}.")
        if token.kind not in ("number", "text") and word not in ("true", "false", "inf", "infinity"):
            if token.kind in ("word", "name"):
                hint = f"If it is a text, write '{token.text}'; two columns are not compared. {HINT}"
                raise invalid_argument(f"{token.text} is no value, {self._place(token)}.", hint)
            self._refuse()
        self._at += 1
        if token.kind == "text":
            return token.text[1:-1].replace("''", "'")
        if word in ("true", "false"):
            return word == "true"
        if word.lstrip("+-").isdecimal():
            return int(word)
        return float(word)

    def _values(self) -> tuple[Value, ...]:
        self._expect("(")
        found: list[Value] = []
        while not self._takes(")"):
            if found:
                self._expect(",")
            found.append(self._value())
        return tuple(found)

    def _is_comparison(self) -> bool:
        return _SAME.get(self._next.text, self._next.text) in COMPARISONS

    def _comparison(self) -> str:
        if not self._is_comparison():
            self._refuse()
        sign = self._next.text
        self._at += 1
        return _SAME.get(sign, sign)

    def _takes(self, word: str) -> bool:
        return self._take_all((word,))

    def _take_all(self, words: tuple[str, ...]) -> bool:
        """Go past some words if just these come next."""
        coming = self._tokens[self._at : self._at + len(words)]
        if [each.text.lower() for each in coming if each.kind in ("word", "sign")] != list(words):
            return False
        self._at += len(words)
        return True

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            self._refuse(word)

    def _refuse(self, wanted: str = "") -> NoReturn:
        token = self._next
        what = "it ends too early" if token.kind == "end" else f"{shown(token.text)} is out of place"
        missing = f", where '{wanted}' should be" if wanted else ""
        raise _no_predicate(self._text, f"{what}, {self._place(token)}{missing}")

    def _place(self, token: _Token) -> str:
        return f"at character {token.at + 1}"


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise _no_predicate(text, f"{shown(text[start : start + 10])} cannot be read, at character {start + 1}")
        kind = match.lastgroup or ""
        found.append(_Token(kind, match[kind], match.start(kind)))
        at = match.end()
    return [*found, _Token("end", "", end)]


def _no_predicate(text: str, why: str) -> RenexError:
    return invalid_argument(f"{shown(text)} is no filter of samples: {why}.", HINT)
