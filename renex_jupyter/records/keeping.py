"""What an operation on the whole store found or did: check, rebuild, collect, purge, export, import."""

from __future__ import annotations

from dataclasses import dataclass

from renex_jupyter.records import display
from renex_jupyter.records.cards import Rows, html, pretty, text

SHOWN = 20  # damages on one card; `.damages` has them all


def _records(lost: int, files: int) -> str:
    """Say what was lost: records that were counted, and files of which nobody knows how many they held."""
    counted = display.count(lost, "record") if lost else ""
    return " and ".join(filter(None, (counted, f"{display.count(files, 'file')} of records" if files else "")))


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it was written."""

    kind: str  # what is wrong, in a word or two: "line", "blob", "pack", "reference"
    path: str  # file, relative to the store
    detail: str


@dataclass(frozen=True, slots=True)
class FsckReport:
    """What a check of the store looked at and found; `ok` when nothing is damaged."""

    ok: bool
    checked: dict[str, int]  # noun -> how many were looked at
    damages: tuple[Damage, ...] = ()

    @property
    def title(self) -> str:
        """The result in one line."""
        return "the store is sound" if self.ok else f"the store has {display.count(len(self.damages), 'damage')}"

    def rows(self) -> Rows:
        """Return what was looked at, and each damage."""
        looked = ", ".join(f"{number:,} {noun}" for noun, number in self.checked.items())
        found = [(each.kind, f"{each.path}: {each.detail}") for each in self.damages[:SHOWN]]
        more = len(self.damages) - SHOWN
        return [("checked", looked), *found, ("", f"and {more:,} more" if more > 0 else "")]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What the index was made of anew."""

    journals: int  # files
    changes: int
    points: int
    segments: int  # files
    seconds: float
    salvaged: int = 0  # lines of damaged packs that were made again from the index
    set_aside: tuple[str, ...] = ()  # packs that were damaged, and lie in the folder `damaged` now, or were missing
    lost: int = 0  # records that stood in these, or in journals, and could not be made again, where they are counted
    lost_files: int = 0  # of these files: nobody knows how many records are lost with them

    @property
    def ok(self) -> bool:
        """Whether nothing was lost in it; what was lost before is told by `fsck`."""
        return not (self.lost or self.lost_files)

    @property
    def title(self) -> str:
        """The result in one line."""
        return f"the index is rebuilt in {display.seconds(self.seconds)}"

    def rows(self) -> Rows:
        """Return the counts."""
        return [
            ("from", display.count(self.journals, "journal file")),
            ("holds", f"{self.changes:,} changes, {self.points:,} metric points"),
            ("segments", f"{self.segments:,}"),
            ("mended", f"{self.salvaged:,} lines of damaged packs, from the old index" if self.salvaged else ""),
            ("without", ", ".join(self.set_aside)),
            (
                "LOST",
                ""
                if self.ok
                else f"{_records(self.lost, self.lost_files)}; an import may bring them back: see renex fsck",
            ),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class Collected:
    """File contents that no record names: what a collection freed or, as a dry run, would free."""

    dry_run: bool
    blobs: int
    bytes: int  # on disk, of blobs and temporary files
    temporary_files: int  # left behind by writers that were killed
    kept_young: int  # blobs that no record names yet: too new to tell whether one is about to

    @property
    def title(self) -> str:
        """The result in one line."""
        return f"{display.size(self.bytes)} {'could be' if self.dry_run else 'are'} freed"

    def rows(self) -> Rows:
        """Return the counts, and what to do next."""
        frees = self.dry_run and (self.blobs or self.temporary_files)
        return [
            ("contents", f"{self.blobs:,} that nothing names"),
            ("temporary", display.count(self.temporary_files, "file") if self.temporary_files else ""),
            ("kept", f"{self.kept_young:,} that are too new to judge" if self.kept_young else ""),
            ("", "nothing was removed; rx.gc(dry_run=False) or renex gc --yes does it" if frees else ""),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class Holder:
    """A file in which a purged secret still stands, of the project or left by a run."""

    path: str  # relative to the project; absolute where a run left it
    lines: tuple[int, ...]  # the first ones, from 1; none where it stands in the name only
    doubt: str = ""  # why nobody knows whether it stands there, or could take it out

    def __str__(self) -> str:
        if self.doubt:
            return f"{self.path}, {self.doubt}"
        if not self.lines:
            return f"{self.path}, its name"
        return f"{self.path}, line{'s' if self.lines[1:] else ''} {', '.join(map(str, self.lines))}"


@dataclass(frozen=True, slots=True)
class Writer:
    """A process that is alive and writes to the store."""

    pid: int
    run: str | None  # name of the run that it has open

    def __str__(self) -> str:
        return f"process {self.pid}" + (f", run '{self.run}'" if self.run else "")


@dataclass(frozen=True, slots=True)
class Purged:
    """What was taken out of the store for good."""

    records: int  # changes removed or rewritten
    points: int
    blobs: int
    files: int  # of the store that were rewritten or removed
    kept_young: int = 0  # contents that nothing names now, too new to go: a later collection frees them
    unreadable: int = 0  # damaged packs that had been set aside, and were removed since nobody could search them
    still_in: tuple[Holder, ...] = ()  # files, mostly of the project: a later snapshot of them, changed, keeps it again
    removed: tuple[str, ...] = ()  # files that runs had left in the store, and in which the secret stood
    not_searched: str | None = None  # why the project's files could not be searched
    writers: tuple[Writer, ...] = ()  # other processes, in whose variables it may be, or that may log on it

    @property
    def title(self) -> str:
        """The result in one line."""
        return "purged" if self._found else "nothing to purge was found"

    @property
    def _found(self) -> bool:
        return bool(self.records or self.points or self.blobs or self.unreadable or self.removed)

    def rows(self) -> Rows:
        """Return the counts, and where it may come back from."""
        return [*(self._counts() if self._found else ()), *self._left()]

    def _counts(self) -> Rows:
        return [
            ("records", f"{self.records:,}"),
            ("points", f"{self.points:,}"),
            ("contents", f"{self.blobs:,}"),
            ("rewritten", display.count(self.files, "file")),
            (
                "kept",
                f"{self.kept_young:,} contents that are too new to judge; renex gc frees them"
                if self.kept_young
                else "",
            ),
            (
                "REMOVED",
                f"{display.count(self.unreadable, 'damaged pack')} that cannot be searched" if self.unreadable else "",
            ),
            *(("REMOVED", path) for path in self.removed[:SHOWN]),
            ("", f"and {len(self.removed) - SHOWN:,} more files" if len(self.removed) > SHOWN else ""),
        ]

    def _left(self) -> Rows:
        more = len(self.still_in) - SHOWN
        return [
            *(("STILL IN", str(each)) for each in self.still_in[:SHOWN]),
            ("", f"and {more:,} more files" if more > 0 else ""),
            (
                "",
                "take it out there, too: once changed, the file is kept again, and a name with each snapshot"
                if self.still_in
                else "",
            ),
            ("not searched", f"the project's files: {self.not_searched}" if self.not_searched else ""),
            *(("ALIVE", str(each)) for each in self.writers),
            ("", "restart these if they may know it or log on it: what they log is recorded" if self.writers else ""),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that holds a store, or some runs of it."""

    path: str
    runs: int
    changes: int
    points: int
    blobs: int
    bytes: int  # size of the file
    damaged: tuple[str, ...] = ()  # SHA-256 of contents that are missing or damaged here, and not in the file
    newest: tuple[str, ...] = ()  # which run was taken for a name that several have
    lost: int = 0  # records that the store has lost, and nobody has accepted that, where they are counted
    lost_files: int = 0  # files of records that the store has lost: nobody knows how many were in them

    @property
    def ok(self) -> bool:
        """Whether the file has all that was recorded; of accepted losses nothing is told."""
        return not (self.damaged or self.lost or self.lost_files)

    @property
    def title(self) -> str:
        """The result in one line."""
        return f"exported {display.count(self.runs, 'run')} to {self.path}"

    def rows(self) -> Rows:
        """Return the counts, and what is missing."""
        shown = ", ".join(each[:8] for each in self.damaged[:SHOWN])
        contents = f"{display.count(len(self.damaged), 'content')} missing or damaged here: {shown}; see renex fsck"
        were = "was" if self.lost + self.lost_files == 1 else "were"
        lost = f"{_records(self.lost, self.lost_files)} that {were} lost here before: see renex fsck"
        return [
            ("holds", f"{self.changes:,} changes, {self.points:,} metric points, {self.blobs:,} contents"),
            ("size", display.size(self.bytes)),
            ("runs", "; ".join(self.newest)),
            ("WITHOUT", contents if self.damaged else ""),
            ("WITHOUT", lost if self.lost or self.lost_files else ""),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


@dataclass(frozen=True, slots=True)
class Imported:
    """What came out of an exported file."""

    path: str
    changes: int  # that were new here
    points: int  # that were new here
    blobs: int  # that were new here
    already_there: int  # changes and points that this store had

    @property
    def title(self) -> str:
        """The result in one line."""
        return f"imported {self.path}"

    def rows(self) -> Rows:
        """Return the counts."""
        return [
            ("new", f"{self.changes:,} changes, {self.points:,} metric points, {self.blobs:,} contents"),
            ("already here", f"{self.already_there:,} changes and points"),
        ]

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html
