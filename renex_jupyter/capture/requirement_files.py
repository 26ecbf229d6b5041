"""Requirements as pip reads them, from files and from lines; and how a line says what pip cannot install.

References
----------
pip.pypa.io/en/stable/reference/requirements-file-format
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from packaging.markers import Marker, default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from renex_jupyter.capture.described import SMALL, check_place, read_bytes
from renex_jupyter.capture.distributions import without_user
from renex_jupyter.capture.secrets import redact_text
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.records.environments import CONSTRAINT, EDITABLE, FILE, NOT_FOR_PIP, Package

ANY = "*"  # the version of what is asked for in any
NAME = re.compile(r"[A-Za-z0-9._-]+")
COMMENT = re.compile(r"(^|\s+)#.*$")
OPTION = re.compile(r"(--?[a-z][a-z-]*?)(?:[ =]\s*|(?<=^-[a-z]))(.*)$")
INCLUDES = ("-r", "--requirement")
CONSTRAINTS = ("-c", "--constraint")
IN_PLACE = ("-e", "--editable")
SHORT = {"-i": "--index-url", "-f": "--find-links"}
SWITCHES = ("--no-index", "--pre", "--prefer-binary", "--require-hashes")
SETTINGS = (
    "--index-url",
    "--extra-index-url",
    "--find-links",
    "--no-binary",
    "--only-binary",
    "--trusted-host",
    *SWITCHES,
)
HASHES = re.compile(r"\s--(?:hash|config-settings?|global-option)[ =]")
VERSION_CONTROL = re.compile(r"(?:git|hg|svn|bzr)\+")


@dataclass(slots=True)
class Reading:
    """What files ask for."""

    lines: list[str] = field(default_factory=list)  # for pip, in their order
    packages: dict[str, Package] = field(default_factory=dict)  # by name; of those that are wanted on this machine
    files: list[Path] = field(default_factory=list)  # that were read
    python: str = ""  # "3.11" or "3.11.7", where they say it
    wanted_python: str = ""  # which versions they allow: ">=3.10"
    within: Path | None = None  # folder in which files that others name are read; None: that of the first

    def add(self, name: str, version: str, *, marker: str = "", origin: str | None = None) -> None:
        """Take a package.

        Raises
        ------
        ValueError : the name is none, or something is more than one line, which pip would read as lines of their own.
        """
        name, version = _name(name), version or ANY
        line = f"{name} @ {origin}" if origin else name if version == ANY else f"{name}=={version}"
        self.tell(_for_pip(f"{line} ; {marker}" if marker else line, name, version=None if origin else version))
        self.list(name, version, marker, origin)

    def add_local(self, name: str, version: str, path: Path, *, in_place: bool) -> None:
        """Take a package that lies in a folder, or is an archive."""
        origin = f"{EDITABLE if in_place else FILE}{path}"
        place = f"{' '.join(str(path).split())}{' (editable)' if in_place else ''}"
        self.tell(f"# {_name(name)}=={version} was installed from {place}")
        self.list(_name(name), version, "", origin)

    def add_conda(self, name: str, version: str) -> None:
        """Take a package of conda."""
        self.tell(f"# {_name(name, name)}=={version} is a package of conda: pip does not install it")
        self.list(_name(name), version, "", "conda")

    def tell(self, line: str) -> None:
        """Take a line for pip as it is."""
        self.lines.append(_one_line(line))

    def list(self, name: str, version: str, marker: str, origin: str | None) -> None:
        """Take a package that such a line names, if it is wanted on this machine."""
        if applies(marker, self.python):
            self.packages[name] = Package(name, _one_line(version), False, origin)


def _name(name: str, text: str = "") -> str:
    """Return a name as pip compares it; `text`: as it is written instead."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a package")
    return text or canonicalize_name(name)


def _one_line(text: str) -> str:
    if len(text.splitlines()) > 1:  # as pip divides a file, also at the marks that only Unicode calls line ends
        raise ValueError(f"{redact_text(text)!r} is more than one line")
    return text


def _for_pip(line: str, name: str, *, version: str | None) -> str:
    """Return a line as a comment where it is not just the requirement that was meant."""
    try:
        meant = canonicalize_name(Requirement(_one_line(line)).name) == name
        Version(version if version not in (None, ANY) else "0")
    except (InvalidRequirement, InvalidVersion):
        meant = False
    return line if meant else f"# {line} {NOT_FOR_PIP}"


def applies(marker: str, python: str = "") -> bool:
    """Say whether a marker holds on this machine, with another Python where that is known."""
    if not marker:
        return True
    env = {**default_environment(), "extra": ""}
    if python.count("."):
        env["python_version"] = ".".join(python.split(".")[:2])
        env["python_full_version"] = python if python.count(".") > 1 else f"{python}.0"
    with suppress(Exception):  # markers that no tool reads
        return Marker(marker).evaluate({key: str(value) for key, value in env.items()})
    return False


def read_requirements(path: Path, within: Path | None = None) -> Reading:
    """Read a requirements file and those that it includes.

    Parameters
    ----------
    within : folder outside of which no file is read; None: that of the file.

    Raises
    ------
    RenexError : `invalid_argument` for a line that pip would not read, `unsafe_path`.
    """
    found = Reading(within=within)
    _read(path, found, constraint=False)
    return found


def read_lines(lines: Iterable[str], home: Path, found: Reading) -> None:
    """Read lines of requirements; paths in them are relative to a folder."""
    for line in lines:
        _take(_one_line(line.strip()), home, found, constraint=False)


def read_pyproject(path: Path, within: Path | None = None) -> Reading:
    """Read what a project asks for; what only its lock file could pin is not pinned."""
    found = Reading(files=[path], within=within)
    project = tomllib.loads(path.read_text("utf-8")).get("project", {})
    found.wanted_python = str(project.get("requires-python", ""))
    read_lines(map(str, project.get("dependencies", ())), path.parent, found)
    return found


def _read(path: Path, found: Reading, *, constraint: bool) -> None:
    if path.resolve() in {each.resolve() for each in found.files}:
        return
    check_place(path, found.within or (found.files or [path])[0].parent)
    found.files.append(path)
    for line in _logical(read_bytes(path).decode("utf-8-sig")):
        _take(line, path.parent, found, constraint=constraint)


def _logical(text: str) -> Iterator[str]:
    """Yield the lines without comments, those that go on with a backslash as one."""
    waiting = ""
    for each in text.splitlines():
        line = COMMENT.sub("", each).rstrip()
        if line.endswith("\\"):
            waiting += line[:-1].strip() + " "
        else:
            yield (waiting + line.strip()).strip()
            waiting = ""
    yield waiting.strip()


def _take(line: str, home: Path, found: Reading, *, constraint: bool) -> None:
    if not line:
        return
    if constraint and not line.startswith("-"):
        found.tell(f"{CONSTRAINT}{_written(*_parsed(line))}")
    elif line.startswith("-"):
        _take_option(line, home, found)
    elif _is_place(line, home):
        _take_place(line, home, found, in_place=False)
    else:
        _take_requirement(line, found)


def _take_option(line: str, home: Path, found: Reading) -> None:
    told = OPTION.match(line)
    name, value = (told[1], told[2].strip()) if told else (line, "")
    if name in INCLUDES or name in CONSTRAINTS:
        _read(home / value, found, constraint=name in CONSTRAINTS)
    elif name in IN_PLACE and VERSION_CONTROL.match(value):
        _take_requirement(f"{value.partition('egg=')[2].partition('&')[0]} @ {value.partition('#')[0]}", found)
    elif name in IN_PLACE:
        _take_place(value, home, found, in_place=True)
    else:
        _take_setting(name, value, home, found)


def _take_setting(name: str, value: str, home: Path, found: Reading) -> None:
    """Take an option that says where packages come from; others, such as --target, say what is done to this machine."""
    name, needed = SHORT.get(name, name), name not in SWITCHES
    if name not in SETTINGS or needed != bool(value) or any(each.startswith("-") for each in value.split()):
        message = f"{redact_text(f'{name} {value}'.strip())!r} is no option that is taken from a file."
        raise invalid_argument(message, f"Taken are: {', '.join(SETTINGS)}; one in a line.")
    if name == "--find-links" and "://" not in value:
        value = str((home / value).absolute())
    found.tell(" ".join([name, *map(without_user, value.split(" "))]).strip())


def _take_place(text: str, home: Path, found: Reading, *, in_place: bool) -> None:
    place, bracket, _ = text.removeprefix("file://").partition("[")
    path = (home / (place if bracket else text.removeprefix("file://").partition(";")[0].strip())).absolute()
    try:
        name, version = map(str, parse_wheel_filename(path.name)[:2])
    except InvalidWheelFilename:
        name, version = _name_of(path)
    found.add_local(name, version, path, in_place=in_place)


def _take_requirement(line: str, found: Reading) -> None:
    read, options = _parsed(line)
    marker = str(read.marker) if read.marker else ""
    if read.url:
        origin = without_user(read.url)
        found.add(read.name, _version_in(origin), origin=origin, marker=marker)
        return
    found.tell(_written(read, options))
    found.list(canonicalize_name(read.name), pinned(read.specifier), marker, None)


def _parsed(line: str) -> tuple[Requirement, str]:
    """Return a requirement and the options behind it."""
    text, options = line, ""
    if hashes := HASHES.search(line):
        text, options = line[: hashes.start()], f" {' '.join(line[hashes.start() :].split())}"
        if unknown := [each for each in options.split() if each.startswith("-") and not HASHES.match(f" {each} ")]:
            raise invalid_argument(f"{unknown[0]} is no option of a requirement.", "Taken is: --hash=sha256:...")
    try:
        return Requirement(text), options
    except InvalidRequirement as error:
        message = f"{redact_text(line)!r} is no requirement that pip reads."
        raise invalid_argument(message, "Write it as: name==1.0, or name @ https://...") from error


def _written(read: Requirement, options: str) -> str:
    extras = f"[{','.join(sorted(read.extras))}]" if read.extras else ""
    what = f" @ {without_user(read.url)}" if read.url else str(read.specifier)
    marker = f" ; {read.marker}" if read.marker else ""
    return f"{canonicalize_name(read.name)}{extras}{what}{marker}{options}"


def pinned(specifier: SpecifierSet) -> str:
    """Return the one version that is allowed, or else what is asked for: ">=1.2"."""
    each = list(specifier)
    if len(each) == 1 and each[0].operator in ("==", "===") and not each[0].version.endswith(".*"):
        return each[0].version
    return str(specifier) or ANY


def _version_in(origin: str) -> str:
    """Return the version that the name of an archive tells; of version control nobody knows it before it is built."""
    with suppress(InvalidWheelFilename):
        return str(parse_wheel_filename(origin.partition("#")[0].rpartition("/")[2])[1])
    return origin.rpartition("@")[2][:12] if VERSION_CONTROL.match(origin) and "@" in origin else ANY


def _is_place(line: str, home: Path) -> bool:
    place = line.partition(";")[0].partition("[")[0].strip()
    if place.startswith(("./", "../", "/", "file:")) or place == ".":
        return True
    return (
        "@" not in place and ("/" in place or place.endswith((".whl", ".tar.gz", ".zip"))) and (home / place).exists()
    )


def _name_of(path: Path) -> tuple[str, str]:
    with suppress(OSError, ValueError, LookupError, TypeError, RenexError):
        project = tomllib.loads(read_bytes(path / "pyproject.toml", SMALL).decode())["project"]
        return str(project["name"]), str(project.get("version", ANY))
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name.removesuffix(".tar.gz").removesuffix(".zip"))
    name, dash, version = stem.rpartition("-")
    return (name, version) if dash and path.is_file() else (stem.strip("-") or "unnamed", ANY)
