"""Names that say "secret": of files that are not captured and of values that are never kept.

Names decide first: a hash of a short secret can be guessed, and no scanner finds all. Where a name can mean both, such
as `token`, the words beside it decide; in doubt the value is left out. Then the form decides: a text that is the key of
a known service is taken out wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import translate
from typing import Any

from renex_jupyter.capture.secret_formats import Secret, secrets_in

REDACTED = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}redacted\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Lower-case glob patterns for a file's name or, with a slash, for the end of its path.
SECRET_FILES = _words(
    """
    .env .env.* .env-* .env_* .envrc *.env *.pem *.key *.p12 *.pfx *.jks *.keystore *.ppk *.kdbx *.kdb id_rsa*
    id_dsa* id_ecdsa* id_ed25519* .netrc _netrc .pypirc .npmrc .yarnrc.yml .git-credentials .pgpass .my.cnf
    .htpasswd .dockercfg .vault-token .s3cfg .boto .databrickscfg kaggle.json credentials* client_secret*.json
    token.json service-account*.json service_account*.json application_default_credentials.json secrets.toml
    secrets.y*ml secrets.json rclone.conf .aws/* .ssh/* .gnupg/* .azure/* .docker/config.json .kube/config
    .config/gcloud/* .huggingface/token
    """
)
HARMLESS_FILES = _words("*.env.example *.env.sample *.env.template *.env.dist *.pub known_hosts")
SECRET_FOLDERS = _words(".aws .ssh .gnupg .azure")

# Parts of a name, anywhere in it, also glued to other letters.
UNMISTAKABLE = re.compile(
    r"passw|passphrase|passcode|secret(?!ar|ion)|credential|api_?key|access_?key|private_?key|auth_?token|access_?token"
    r"|conn(ection)?_?str(ing)?"
)
SECRET_PARTS = _words("pwd cred creds cookie cookies dsn jwt bearer authorization")
# These count only as the last word, unless a word beside them says otherwise: `session_id` and `author` are no secrets.
SECRET_ENDS: Mapping[str, frozenset[str]] = {
    "key": _words(
        """primary foreign sort group join partition index label cache dict hash public metric feature id column image
        text target input output batch data sample json row map unique natural shortcut hot arrow order query sub"""
    ),
    "token": _words(
        """max min num n count pad eos bos unk mask sep cls special start end stop per first last next new prev total
        avg mean image text vocab sub word class decoder prompt eot eod fim bpe audio separator begin"""
    ),
    "auth": _words("use has is no require requires enable disable"),
    "session": _words("n num max min per user train training use new"),
    "pass": _words(
        "n num first second last single one two multi per forward backward low high band all max min by full"
    ),
    "private": _words("is n num use"),
}
# With these beside it the word is a secret whatever else the name says.
SURE_BESIDE = _words("api auth access bearer refresh secret github gitlab gh hf huggingface slack bot oauth aws")
COUNTED = _words("n num max min")
# A name that ends so tells of a secret, but is none: `password_file`, `auth_type`.
HARMLESS_ENDS = _words(
    """file path dir type method mode provider enabled required timeout length len count size policy expiry ttl attempts
    min max rotation strength"""
)

WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+|[^\W\d_A-Za-z]+")
# A scheme is bounded, so that a long text takes no more than time in proportion to its length.
USERINFO = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]{0,40}://)([^\s:@/\"']*):([^\s/\"']+)@")
BARE_USERINFO = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]{0,40}://)[^\s:@/\"']{20,}@")  # https://ghp_...@github.com
QUERY = re.compile(r"([?&])([^=&\s?]+)=([^&\s#\"']+)")


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:(?:.*/)?{translate(each)})" for each in patterns), re.DOTALL)


_SECRET_FILE = _any_of(SECRET_FILES)
_HARMLESS_FILE = _any_of(HARMLESS_FILES)
_SSH_KEY = re.compile(r"(?:.*/)?id_[^./]+")  # ssh keys bear no suffix; id_columns.csv is data


def is_secret_file(path: str) -> bool:
    """Say whether a file of this relative path (with "/") or name is left out of a capture."""
    lower = path.lower()
    if _HARMLESS_FILE.fullmatch(lower):
        return False
    return bool(_SECRET_FILE.fullmatch(lower) or _SSH_KEY.fullmatch(lower))


def is_secret_name(name: str) -> bool:
    """Say whether a value of this name is a secret, judged by the words in the name (snake, camel or kebab case)."""
    words = [word.lower() for word in WORDS.findall(name)]
    while words and words[-1].isdigit():
        words.pop()
    if not words or words[-1] in HARMLESS_ENDS:
        return False
    if UNMISTAKABLE.search("_".join(words)) or not SECRET_PARTS.isdisjoint(words):
        return True
    return _ends_as_secret(words)


def redact(value: Any, name: str = "") -> Any:
    """Return `value` without what `name`, or a name inside it, marks as secret.

    Parameters
    ----------
    value : mappings, lists and tuples are gone through; True, False and None are never secrets.
    name : the name under which the value is kept; empty: it has none.

    Returns
    -------
    A copy: secrets become `REDACTED`, those known by their form say of what kind they were, passwords in URLs become
    `***`; keys, order and types of containers stay.
    """
    if value is None or isinstance(value, bool):
        return value
    if name and is_secret_name(name):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {key: redact(each, str(key)) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        items = redact_argv(value)
        return items if isinstance(value, list) else tuple(items)
    return value


def redact_argv(items: Sequence[Any]) -> list[Any]:
    """Return the items of a list or command line without the values of `--api-key X`, `--api-key=X` and `API_KEY=X`."""
    result: list[Any] = []
    hide = False
    for item in items:
        if hide and not (isinstance(item, str) and item.startswith("-")):
            result.append(REDACTED)
            hide = False
            continue
        flag, equals, _ = item.partition("=") if isinstance(item, str) else ("", "", "")
        named = bool(re.fullmatch(r"-{0,2}[A-Za-z_][\w-]*", flag)) and is_secret_name(flag)
        hide = named and not equals and flag.startswith("--")
        result.append(f"{flag}={REDACTED}" if named and equals else redact(item))
    return result


def redact_text(text: str) -> str:
    """Return `text` with the passwords inside its URLs replaced by `***`, and the secrets of known formats by their kind."""
    if "://" in text:
        text = BARE_USERINFO.sub(r"\1***@", USERINFO.sub(r"\1\2:***@", text))
        text = QUERY.sub(lambda m: f"{m[1]}{m[2]}=***" if is_secret_name(m[2]) else m[0], text)
    parts, done = [], 0
    for each in secrets_in(text):
        parts += [text[done : each.start], redacted(each)]
        done = each.end
    return "".join([*parts, text[done:]]) if parts else text


def redacted(secret: Secret) -> str:
    """Return what stands in place of a secret of a known format."""
    return f"{REDACTED[:-1]}:{secret.format.kind}{REDACTED[-1]}"


def _ends_as_secret(words: list[str]) -> bool:
    beside = set(words[:-1])
    if words[-1] in ("tokens", "keys"):  # many are counted or looped over; only a sure word makes them secret
        return not SURE_BESIDE.isdisjoint(beside) and beside.isdisjoint(COUNTED)
    last = words[-1]
    if last not in SECRET_ENDS and len(last) > 5 and last.endswith("token"):
        last = "token"  # hftoken
    if last not in SECRET_ENDS:
        return False
    return not SURE_BESIDE.isdisjoint(beside) or SECRET_ENDS[last].isdisjoint(beside)
