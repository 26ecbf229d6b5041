"""What one capture is asked for, beside the rules of ignore files; all paths are relative to the project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """Paths that are left out, and paths that are kept although a rule leaves them out."""

    exclude: frozenset[str]
    include: frozenset[str]
    above: frozenset[str]  # the folders in which something is included
    imported: frozenset[str]  # files that no ignore file leaves out; what is secret or was purged they may be, though
    around: frozenset[str]  # the folders in which those lie
    said: dict[str, tuple[tuple[str, str], ...]]  # by folder: name of an entry of which something is said, and what

    @classmethod
    def of(cls, exclude: Iterable[str], include: Iterable[str], imported: Iterable[str] = ()) -> Wanted:
        """Return what some paths ask for."""
        excluded, included = frozenset(exclude), frozenset(include)
        above = frozenset(folder for each in included for folder in _folders_of(each))
        modules = frozenset(imported)
        around = frozenset(folder for each in modules for folder in _folders_of(each))
        named = (
            ("exclude", excluded),
            ("include", included),
            ("above", above),
            ("imported", modules),
            ("around", around),
        )
        said: dict[str, list[tuple[str, str]]] = {}
        for what, paths in named:
            for folder, _, name in (each.rpartition("/") for each in sorted(paths)):
                said.setdefault(folder, []).append((name, what))
        return cls(excluded, included, above, modules, around, {folder: tuple(each) for folder, each in said.items()})

    def asks_for(self, path: str) -> bool:
        """Say whether a path is included, by itself or with a folder in which it lies."""
        if path in self.include:
            return True
        return bool(self.include) and any(each in self.include for each in _folders_of(path))

    def in_folder(self, folder: str) -> tuple[object, ...]:
        """Return all that is said of the entries of a folder."""
        return self.asks_for(folder), self.said.get(folder)


def _folders_of(path: str) -> Iterator[str]:
    """Yield the folders in which a path lies, the project's own left out."""
    while path := path.rpartition("/")[0]:
        yield path
