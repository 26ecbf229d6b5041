"""Texts that are secrets by their form, such as the keys of a cloud: where they stand, and of what kind they are.

The forms are those of detect-secrets, without the ones that go by entropy or by a name beside the value, and those of
services that it does not know. Its modules load an HTTP client, so a form is only looked up where a text begins as one
of its kind does. Nothing is ever verified over the network.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

WINDOW = 400  # characters from its beginning in which a secret must end
LONG = 20_000
SHORTEST_WORD = 20  # characters
MOST_BEGINNINGS = 20  # that are tried in one word, since one of a million characters may have very many
_OF_WORDS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_SHAPE = bytes(b"x"[0] if code in _OF_WORDS else b" "[0] for code in range(256))
_GOES_ON = re.compile(r"[A-Za-z0-9_-]*")
_REST_OF_JWT = re.compile(r"[A-Za-z0-9_=.-]*")
# What stands for a secret in documentation and in tests.
_PLACEHOLDER = re.compile(
    r"example|placeholder|dummy|your[_-]|redacted|x{4}|\*{3}|\.{3}|0{7}|1234567890|abcdefgh", re.IGNORECASE
)
_TEMPLATE = re.compile(r"[{<$%(\[]")
_FOR_PASSWORD = frozenset({"password", "passwd", "pass", "pwd", "pw", "secret", "token", "user", "username", "test"})
FEWEST_CHARACTERS = 6  # different ones: xxxxxxxx is no secret
_HEADER = r"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
# What may stand between the lines of a key: line ends, quotes where it is in a program, and its own headers.
_BETWEEN = r"(?:[\s\"'+,]|\\[nr]?|[A-Z][A-Za-z-]{2,20}: [^\n\\]{0,200}(?=[\n\\]))*+"
_BASE64 = r"[A-Za-z0-9+/=]{16,}+"


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of secret."""

    kind: str  # a short word, told in place of the secret
    label: str  # as in a warning
    begins: str  # regex of how it begins, inside a word of at least `SHORTEST_WORD` characters
    plugin: str = ""  # module of detect-secrets that knows the form
    form: str = ""  # regex of forms that it does not know; the group `secret`, if there is one, is what is taken out
    marks: tuple[str, ...] = ()  # texts beside which to look instead of at the beginning of a word
    back: int = 0  # characters that the form may begin before that
    exact: bool = False  # what goes on after the form is no such secret, but something longer, such as a hash
    window: int = WINDOW
    flags: int = 0

    def patterns(self) -> tuple[re.Pattern[str], ...]:
        """Return the forms, compiled once."""
        return _patterns(self.plugin, self.form, self.flags)


class Secret(NamedTuple):
    """Where a secret stands in a text."""

    start: int
    end: int
    format: Format


FORMATS = (
    Format("aws", "AWS key", "A3T[A-Z0-9]|A[BKS]IA|ACCA", "aws", exact=True),
    Format(
        "aws",
        "AWS secret key",
        "",
        form=r"(?:aws_?)?secret_?(?:access_?)?key[\"']?\]?\s{0,5}[=:,]\s{0,5}[\"']?(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        marks=("ecret_access_key", "ECRET_ACCESS_KEY", "ecretAccessKey", "aws_secret_key", "AWS_SECRET_KEY"),
        back=12,
        flags=re.IGNORECASE,
    ),
    Format(
        "azure",
        "Azure storage key",
        "",
        "azure_storage_key",
        r"AccountKey=(?P<secret>[A-Za-z0-9+/]{86}==)",
        ("AccountKey=",),
    ),
    Format("anthropic", "Anthropic key", "sk-ant-", form=r"sk-ant-[A-Za-z0-9_-]{40,}"),
    Format("openai", "OpenAI key", "sk-", "openai", r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,}"),
    Format(
        "github",
        "GitHub token",
        "gh[pousr]_|github_pat_",
        "github_token",
        r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    ),
    Format("gitlab", "GitLab token", "gl[a-z]{2,5}-|GR1348941", "gitlab_token", window=1100),
    Format("huggingface", "Hugging Face token", "hf_|api_org_", form=r"(?:hf_|api_org_)[A-Za-z0-9]{30,}"),
    Format("google", "Google key", "AIza|GOCSPX-", form=r"AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}", exact=True),
    Format(
        "slack",
        "Slack token",
        "xox[a-z]-|xapp-",
        "slack",
        r"xapp-\d-[A-Za-z0-9]+-\d+-[a-f0-9]+|xox[a-z]-[0-9A-Za-z-]{20,}",
    ),
    Format("slack", "Slack webhook", "", "slack", marks=("https://hooks.slack.com/services/",)),
    Format("stripe", "Stripe key", "[sr]k_live_|whsec_", "stripe", r"whsec_[A-Za-z0-9]{32,}"),
    Format("pypi", "PyPI token", "pypi-Ag", "pypi_token"),
    Format("npm", "npm token", "npm_", form=r"npm_[A-Za-z0-9]{36}"),
    Format("npm", "npm token", "", form=r":_authToken=\s*(?P<secret>[A-Fa-f0-9-]{36})", marks=(":_authToken=",)),
    Format("jwt", "JSON web token", "eyJ", "jwt", window=LONG),
    Format("sendgrid", "SendGrid key", r"(?<=SG\.)[A-Za-z0-9_-]", "sendgrid", back=3),
    Format("telegram", "Telegram token", r"(?<=\d:)AA", "telegram_token", back=11),
    Format("discord", "Discord token", "[MNO][DTjz]", "discord"),
    Format("twilio", "Twilio key", "(?:AC|SK)[0-9a-f]{32}", "twilio", exact=True),
    Format(
        "square", "Square secret", "sq0|EAAA", "square_oauth", r"sq0[a-z]{3}-[0-9A-Za-z_-]{22,43}|EAAA[A-Za-z0-9_-]{60}"
    ),
    Format("mailchimp", "Mailchimp key", r"[0-9a-f]{32}-us\d", "mailchimp", exact=True),
    Format("artifactory", "Artifactory key", "AKCp", form=r"AKCp[A-Za-z0-9]{60,}"),
    Format("databricks", "Databricks token", "dapi", form=r"dapi[a-f0-9]{32}(?:-\d)?", exact=True),
    Format("replicate", "Replicate token", "r8_", form=r"r8_[A-Za-z0-9]{37}"),
    Format("groq", "Groq key", "gsk_", form=r"gsk_[A-Za-z0-9]{40,}"),
    Format("nvidia", "NVIDIA key", "nvapi-", form=r"nvapi-[A-Za-z0-9_-]{60,}"),
    Format("digitalocean", "DigitalOcean token", "do[opr]_v1_", form=r"do[opr]_v1_[a-f0-9]{64}"),
    Format(
        "key",
        "private key",
        "",
        form=rf"{_HEADER}(?={_BETWEEN}{_BASE64})"
        rf"(?:(?:[^-]|-(?!----)){{1,{LONG}}}+-----END [A-Z0-9 ]{{0,30}}PRIVATE KEY(?: BLOCK)?-----"
        rf"|(?:{_BETWEEN}{_BASE64})+)",
        marks=("PRIVATE KEY-----", "PRIVATE KEY BLOCK-----"),
        back=50,
        window=LONG,
    ),
)
URL = Format(
    "url",
    "password in a URL",
    "",
    form=r"://([^\s:@/\"'`<>{}$]{0,100}):(?P<secret>[^\s/\"'`<>]{1,200})@(?=[\w.\[-])",
    marks=("://",),
)
MARKED = tuple(each for each in FORMATS if each.marks)
_BY_BEGINNING = {f"f{number}": each for number, each in enumerate(FORMATS) if each.begins}
_BEGINNING = re.compile(
    "(?<![A-Za-z0-9])(?:" + "|".join(f"(?P<{name}>{each.begins})" for name, each in _BY_BEGINNING.items()) + ")"
)


def secrets_in(text: str) -> list[Secret]:
    """Return the secrets of known formats in a text, in their order, none inside another.

    Takes time in proportion to the length of the text, whatever it says. Placeholders such as those of documentation
    are passed over.
    """
    found = sorted([*_by_words(text), *_by_marks(text, MARKED)], key=lambda each: (each.start, -each.end))
    apart: list[Secret] = []
    for each in found:
        if not apart or each.start >= apart[-1].end:
            apart.append(each)
    return apart


def passwords_in(text: str) -> list[Secret]:
    """Return the passwords in the URLs of a text; those that are filled in, or are a word for one, are passed over."""
    return list(_by_marks(text, (URL,))) if "@" in text else []


def _by_words(text: str) -> Iterator[Secret]:
    for begin, end in _long_words(text):
        at = begin
        for _ in range(MOST_BEGINNINGS):
            begun = _BEGINNING.search(text, at, end)
            if begun is None:
                break
            found = _matched(_BY_BEGINNING[str(begun.lastgroup)], text, begun.start())
            if found:
                yield found
            at = max(begun.end(), found.end if found else 0)


def _long_words(text: str) -> Iterator[tuple[int, int]]:
    """Yield beginning and end of each long run of letters, digits, "_" and "-"; ten times as fast as a regex."""
    if len(text) < SHORTEST_WORD:
        return
    shape = text.encode("ascii", "replace").translate(_SHAPE)  # a byte for each character
    at = shape.find(b"x" * SHORTEST_WORD)
    while at >= 0:
        end = shape.find(b" ", at)
        yield at, end if end >= 0 else len(shape)
        at = shape.find(b"x" * SHORTEST_WORD, end) if end >= 0 else -1


def _by_marks(text: str, formats: tuple[Format, ...]) -> Iterator[Secret]:
    for each in formats:
        for mark in each.marks:
            at = text.find(mark)
            while at >= 0:
                found = _matched(each, text, at)
                if found:
                    yield found
                at = text.find(mark, max(at + len(mark), found.end if found else 0))


def _matched(known: Format, text: str, at: int) -> Secret | None:
    """Return the secret of a format that begins at a place, or a little before."""
    places = range(max(0, at - known.back), at + 1)
    for pattern in known.patterns():
        match = next((found for place in places if (found := pattern.match(text, place, at + known.window))), None)
        if match is None:
            continue
        named = "secret" in pattern.groupindex
        start, end = match.span("secret" if named else 0)
        end = end if named else _end(known, text, end)
        if end and not _is_placeholder(known, text[start:end], match):
            return Secret(start, end, known)
    return None


def _end(known: Format, text: str, end: int) -> int:
    """Return where a token really ends, since the forms are of its shortest length; 0: it is something else."""
    if known.kind == "key":
        return end
    rest = _REST_OF_JWT if known.kind == "jwt" else _GOES_ON
    match = rest.match(text, end)
    last = match.end() if match else end
    return 0 if known.exact and last > end else last


def _is_placeholder(known: Format, secret: str, match: re.Match[str]) -> bool:
    if known is URL:
        user = match[1]
        return bool(_TEMPLATE.match(secret)) or secret in (user, "...") or secret.lower() in _FOR_PASSWORD
    if known.kind == "jwt":
        return not _is_jwt(match[0])
    if known.kind == "key":
        return False
    begins = secret[:WINDOW]
    return bool(_PLACEHOLDER.search(begins)) or len(set(begins)) < FEWEST_CHARACTERS


def _is_jwt(token: str) -> bool:
    return bool(_plugin("jwt").JwtTokenDetector.is_formally_valid(token))


def _plugin(name: str) -> ModuleType:
    """Load a module of detect-secrets, which has logging take every warning of the process, and take that back."""
    before = warnings.showwarning
    module = import_module(f"detect_secrets.plugins.{name}")
    if warnings.showwarning is not before:
        logging.captureWarnings(False)
    return module


@cache
def _patterns(plugin: str, form: str, flags: int) -> tuple[re.Pattern[str], ...]:
    own = (re.compile(form, flags),) if form else ()
    return (*own, *(_denylist(plugin) if plugin else ()))


def _denylist(plugin: str) -> tuple[re.Pattern[str], ...]:
    module = _plugin(plugin)
    detectors = (
        each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__
    )
    return tuple(pattern for each in detectors for pattern in getattr(each, "denylist", ()))
