r"""Conditions over metrics, such as `latency_ms < 20 and "accuracy@test" >= 0.9`, read strictly: no SQL ever runs.

The words are those of SQL: comparisons, `and or not`, arithmetic, `is null`, `between`, `in`, and the functions `abs least
greatest coalesce`. A name is a metric; one with other signs in it stands in double quotes, one on a dataset has `@DATASET`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from renex_jupyter.errors import invalid_argument, shown, text_argument

FUNCTIONS = {"abs": 1, "least": 0, "greatest": 0, "coalesce": 0}  # name -> how many arguments; 0: one or more
WORDS = ("and", "or", "not", "is", "null", "between", "in")
COMPARISONS = ("<=", ">=", "<>", "!=", "==", "<", ">", "=")
MOST_WORDS = 300  # names, numbers and signs
DEEPEST = 40  # brackets in brackets
HINT = 'Write it as where="latency_ms < 20 and \\"accuracy@test\\" >= 0.9"; docs/policies.md lists what it may say.'
_PREFIX = "metrics."  # as `search_runs` names them
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?!\w)
    |(?:metrics\.)?"(?P<quoted>(?:[^"]|"")+)"
    |(?P<word>[^\W\d]\w*(?:\.\w+)*(?:@\w+(?:\.\w+)*)?)
    |(?P<sign><=|>=|<>|!=|==|[-+*/%<>=(),]))""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a condition."""

    op: str  # number, metric, a sign, a function, and, or, not, is null, between, in
    parts: tuple[Any, ...]  # terms; of a number its value, of a metric its name
    text: str  # as it was written
    is_condition: bool = False  # else it is a number

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics in it, in the order in which they stand there."""
        if self.op == "metric":
            return (self.parts[0],)
        return tuple(dict.fromkeys(name for each in self.parts if isinstance(each, Term) for name in each.names))

    @property
    def demands(self) -> tuple[Term, ...]:
        """The conditions that must all hold for it."""
        if self.op == "and":
            return tuple(each for part in self.parts for each in part.demands)
        return (self,)


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a name, a number or a sign, and where it stands."""

    kind: str  # number, name, word (of SQL, in lower case), sign, end
    text: str
    start: int
    end: int


def parse(condition: object) -> Term:
    """Return what a condition says.

    Raises
    ------
    RenexError : `invalid_argument` for whatever is none, with the place.
    """
    return _Parser(text_argument(condition, "a condition", HINT)).whole()


def _tokens(text: str) -> list[Token]:
    found, place = [], 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            _refuse(
                text,
                f"{shown(text[place:].strip()[:12])} has no meaning",
                "Texts, and other signs, cannot be compared.",
            )
        kind = str(match.lastgroup)
        if text.startswith("--", match.start(kind)):
            _refuse(text, "it has a comment", "Leave out what follows '--'.")
        said = match[kind]
        if kind == "quoted":
            kind, said = "name", said.replace('""', '"')
        elif kind == "word":
            kind, said = ("word", said.lower()) if said.lower() in (*WORDS, *FUNCTIONS) else ("name", said)
            said = said.removeprefix(_PREFIX)
        found.append(Token(kind, said, match.start(match.lastgroup or 0), match.end()))
        place = match.end()
        if len(found) > MOST_WORDS:
            _refuse(text, f"it has more than {MOST_WORDS} names, numbers and signs")
    return [*found, Token("end", "", len(text), len(text))]


def _refuse(text: str, why: str, hint: str = "") -> NoReturn:
    raise invalid_argument(f"condition {shown(text)}: {why}.", f"{hint} {HINT}".strip())


class _Parser:
    """Reads one condition by recursive descent; what binds least comes first."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = _tokens(text)
        self.place = 0
        self.depth = 0

    def whole(self) -> Term:
        if self.next.kind == "end":
            self.refuse("it is empty")
        term = self.either()
        if self.next.kind != "end":
            self.refuse(f"'{self.next.text}' is not expected there")
        return self.condition(term)

    def either(self) -> Term:
        return self.joined("or", self.both)

    def both(self) -> Term:
        return self.joined("and", self.negated)

    def joined(self, word: str, part: Callable[[], Term]) -> Term:
        start = self.next.start
        parts = [part()]
        while self.takes(word):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        return self.term(word, *map(self.condition, parts), start=start, is_condition=True)

    def negated(self) -> Term:
        start, count = self.next.start, 0
        while self.takes("not"):
            count += 1
        term = self.compared()
        if count:
            self.condition(term)
        return self.term("not", term, start=start, is_condition=True) if count % 2 else term

    def compared(self) -> Term:
        start, left = self.next.start, self.sum()
        if self.next.kind == "sign" and self.next.text in COMPARISONS:
            sign = {"==": "=", "!=": "<>"}.get(said := self.take().text, said)
            parts = (self.number(left), self.number(self.sum()))
            if self.next.kind == "sign" and self.next.text in COMPARISONS:
                self.refuse("two comparisons in a row", "Write 'a between 1 and 2', or 'a > 1 and a < 2'.")
            return self.term(sign, *parts, start=start, is_condition=True)
        if self.takes("is"):
            denied = self.takes("not")
            self.expect("null")
            return self.maybe_not(denied, "is null", self.number(left), start=start)
        denied = self.takes("not")
        if self.takes("between"):
            low = self.number(self.sum())
            self.expect("and")
            return self.maybe_not(denied, "between", self.number(left), low, self.number(self.sum()), start=start)
        if self.takes("in"):
            self.expect("(")
            return self.maybe_not(denied, "in", self.number(left), *self.listed(), start=start)
        if denied:
            self.refuse("'not' stands before 'between', 'in' or a condition")
        return left

    def sum(self) -> Term:
        return self.chained(("+", "-"), self.product)

    def product(self) -> Term:
        return self.chained(("*", "/", "%"), self.signed)

    def chained(self, signs: tuple[str, ...], part: Callable[[], Term]) -> Term:
        start, term = self.next.start, part()
        while self.next.kind == "sign" and self.next.text in signs:
            sign = self.take().text
            term = self.term(sign, self.number(term), self.number(part()), start=start)
        return term

    def signed(self) -> Term:
        start, minus = self.next.start, 0
        while self.next.kind == "sign" and self.next.text in "+-":
            minus += self.take().text == "-"
        term = self.primary()
        return self.term("negative", self.number(term), start=start) if minus % 2 else term

    def primary(self) -> Term:
        token = self.take()
        if token.kind == "sign" and token.text == "(":
            return self.bracketed(token)
        if token.kind == "number":
            return self.term("number", float(token.text), start=token.start)
        if token.kind == "name":
            if self.next.text == "(" and self.next.kind == "sign":
                self.refuse(f"'{token.text}' is no function", f"There are: {', '.join(FUNCTIONS)}.")
            return self.term("metric", token.text, start=token.start)
        if token.kind == "word" and token.text in FUNCTIONS:
            self.expect("(")
            arguments = self.listed()
            if FUNCTIONS[token.text] not in (0, len(arguments)):
                self.refuse(f"{token.text} takes one number")
            return self.term(token.text, *arguments, start=token.start)
        return self.refuse(f"'{token.text}' is not expected there" if token.text else "its end is missing")

    def bracketed(self, opening: Token) -> Term:
        self.deeper()
        term = self.either()
        self.expect(")")
        self.depth -= 1
        return Term(term.op, term.parts, self.text[opening.start : self.before.end], term.is_condition)

    def listed(self) -> tuple[Term, ...]:
        """Return the numbers up to the bracket that closes; the one that opens was taken."""
        self.deeper()
        parts = [self.number(self.sum())]
        while self.takes(","):
            parts.append(self.number(self.sum()))
        self.expect(")")
        self.depth -= 1
        return tuple(parts)

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            self.refuse(f"more than {DEEPEST} brackets in brackets")

    def maybe_not(self, denied: bool, op: str, *parts: Term, start: int) -> Term:
        term = self.term(op, *parts, start=start, is_condition=True)
        return self.term("not", term, start=start, is_condition=True) if denied else term

    def term(self, op: str, *parts: Any, start: int, is_condition: bool = False) -> Term:
        return Term(op, parts, self.text[start : self.before.end], is_condition)

    def number(self, term: Term) -> Term:
        if term.is_condition:
            self.refuse(f"'{term.text}' is a condition where a number is expected")
        return term

    def condition(self, term: Term) -> Term:
        if not term.is_condition:
            self.refuse(f"'{term.text}' is compared with nothing")
        return term

    @property
    def next(self) -> Token:
        return self.tokens[self.place]

    @property
    def before(self) -> Token:
        return self.tokens[self.place - 1]

    def take(self) -> Token:
        token = self.next
        if token.kind != "end":
            self.place += 1
        return token

    def takes(self, text: str) -> bool:
        """Take the next word or sign, if it is this one."""
        found = self.next.text == text and self.next.kind in ("word", "sign")
        self.place += found
        return found

    def expect(self, text: str) -> None:
        if not self.takes(text):
            self.refuse(f"'{text}' is missing before '{self.next.text}'" if self.next.text else f"'{text}' is missing")

    def refuse(self, why: str, hint: str = "") -> NoReturn:
        _refuse(self.text, why, hint)
