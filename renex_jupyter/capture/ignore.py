"""Which paths of a project are left out: rules of `.gitignore` and `.renexignore`, and what is never wanted.

Patterns are compiled by pathspec; the order of files and folders is git's: the nearest ignore file decides first, its
last matching line wins, and what lies in an ignored folder is ignored. `.renexignore` has the last word over
`.gitignore`; a line of it with a slash inside, such as `!data/small.csv`, also reaches into a folder that is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

NEVER = frozenset(
    (
        *(".git", ".renex", ".hg", ".svn", ".ipynb_checkpoints", "__pycache__", "node_modules"),
        *(".mypy_cache", ".ruff_cache", ".pytest_cache", ".renex-checkout", ".jupyter_ystore.db"),
        *("jupyter_cookie_secret", "notebook_cookie_secret"),
    )
)
# Connection files, server files with their tokens, half-saved notebooks, and what a checkout has not put in place yet.
RUNTIME = re.compile(
    r"(?:kernel-[0-9a-f-]{8,}|jpserver-\d+|nbserver-\d+)(?:-open)?\.(?:json|html)|\.~.*\.ipynb"
    r"|\..+\.renex-tmp-[0-9a-f]{8}",
    re.DOTALL,
)
# A folder that holds one of these is a virtual environment, or a tree that a checkout wrote.
FOREIGN = frozenset({"pyvenv.cfg", "conda-meta", ".renex-checkout"})
IGNORE_FILES = (".gitignore", ".renexignore")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of an ignore file."""

    regex: re.Pattern[str]
    ignores: bool  # False for a line that begins with "!"
    folders_only: bool
    parts: tuple[str, ...]  # of the pattern, when a slash ties it to the folder of its file

    def decides(self, path: str, is_folder: bool) -> bool:
        """Say whether this line is about `path` itself, not about something that lies in a folder it names."""
        if self.folders_only and not is_folder:
            return False
        found = self.regex.match(path)
        return found is not None and not found.groupdict().get("ps_d")

    def reaches_into(self, folder: str) -> bool:
        """Say whether this line may name something below `folder`."""
        for name, part in zip(folder.split("/"), self.parts, strict=False):
            if part == "**":
                return True
            if not fnmatchcase(name, part):
                return False
        return len(self.parts) > folder.count("/") + 1


@dataclass(frozen=True, slots=True)
class Rules:
    """One ignore file."""

    folder: str  # where it lies: "" or "sub/folder/"
    rules: tuple[Rule, ...]  # the last line first
    any_of: re.Pattern[str]  # most paths match no line at all, and one search says so

    def verdict(self, path: str, is_folder: bool) -> bool | None:
        """Return True (ignored), False (wanted) or None (this file does not say)."""
        inside = path[len(self.folder) :]
        if not self.any_of.match(inside):
            return None
        return next((rule.ignores for rule in self.rules if rule.decides(inside, is_folder)), None)

    def reaches_into(self, folder: str) -> bool:
        """Say whether a line wants something back that lies below `folder`."""
        inside = folder[len(self.folder) :]
        return any(not rule.ignores and rule.reaches_into(inside) for rule in self.rules)


@dataclass(frozen=True, slots=True)
class Scope:
    """What applies in one folder: the ignore files from the nearest to the farthest."""

    git: tuple[Rules, ...] = ()
    renex: tuple[Rules, ...] = ()
    ignored: bool = False  # the folder itself is; something below it may be wanted back

    def with_files(self, git: Rules | None, renex: Rules | None) -> Scope:
        """Return the scope of a folder in which these ignore files lie."""
        more_git = (git, *self.git) if git and not self.ignored else self.git
        return replace(self, git=more_git, renex=(renex, *self.renex) if renex else self.renex)

    def ignores(self, path: str, *, is_folder: bool) -> bool:
        """Say whether an entry of this folder is ignored."""
        told = _first(self.renex, path, is_folder)
        if told is not None:
            return told
        return self.ignored or bool(_first(self.git, path, is_folder))

    def wants_below(self, folder: str) -> bool:
        """Say whether something below an ignored folder is wanted back."""
        return any(rules.reaches_into(folder) for rules in self.renex)


def never(name: str) -> bool:
    """Say whether nobody wants an entry of this name: version control, caches, Jupyter's runtime files, our store."""
    return name in NEVER or RUNTIME.fullmatch(name) is not None


@lru_cache(maxsize=4096)
def parse(folder: str, text: str) -> Rules | None:
    """Return the rules of an ignore file in `folder` ("" or "sub/folder/"); None when it holds none."""
    rules = [rule for line in text.removeprefix("\ufeff").splitlines() if (rule := _rule(line))]
    if not rules:
        return None
    names = "|".join(f"(?:{rule.regex.pattern.replace('?P<ps_d>', '')})" for rule in rules)
    return Rules(folder, tuple(reversed(rules)), re.compile(names, re.DOTALL))


def _rule(line: str) -> Rule | None:
    if not line.endswith("\\ "):
        line = line.rstrip(" \t")
    folders_only = line.endswith("/")
    text = line[:-1] if folders_only else line
    try:
        pattern = GitIgnoreSpecPattern(text)
    except ValueError:  # git, too, passes over a line that is no pattern
        return None
    if pattern.regex is None or pattern.include is None:
        return None
    bare = text.removeprefix("!")
    parts = tuple(bare.strip("/").split("/")) if "/" in bare else ()
    return Rule(re.compile(pattern.regex.pattern, re.DOTALL), pattern.include, folders_only, parts)


def _first(files: Iterable[Rules], path: str, is_folder: bool) -> bool | None:
    for rules in files:
        if (told := rules.verdict(path, is_folder)) is not None:
            return told
    return None
