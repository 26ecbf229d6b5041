"""Which store a panel shows: the one that work in the active notebook's folder would use."""

from __future__ import annotations

import os
from pathlib import Path

from renex_jupyter.store.store import Store, locate


class Place:
    """Finds the store anew at every look, so that one which appears, moves or is made again is picked up by itself."""

    def __init__(self, root: Path) -> None:
        self.root = root  # the contents root: what the page calls a path is relative to it
        self.notebook: str | None = None
        self._store: Store | None = None
        self._seen: tuple[Path, int] | None = None

    @property
    def folder(self) -> Path:
        """The active notebook's folder, else the contents root."""
        folder = (self.root / self.notebook).parent if self.notebook else self.root
        return folder if folder.is_dir() else self.root

    @property
    def project(self) -> Path:
        """The project that the store belongs to, or would belong to."""
        return locate(self.folder).parent

    def store(self) -> Store | None:
        """Return the store in force, or None where nothing was recorded yet.

        Raises
        ------
        RenexError : when there is one that must not be opened.
        """
        root = locate(self.folder)
        try:
            seen = (root, (root / "store.json").stat().st_ino)
        except (FileNotFoundError, NotADirectoryError):
            self.forget()
            return None
        if seen != self._seen:
            self._store, self._seen = Store(root), seen
        return self._store

    def forget(self) -> None:
        """Let go of the store, and so of the files that it holds open."""
        self._store = self._seen = None

    def in_contents(self, path_in_project: str) -> str | None:
        """Return a project path as the page names it, or None when the page cannot reach it."""
        path = Path(os.path.normpath(self.project / path_in_project))
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else None
