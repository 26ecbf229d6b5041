"""The verbs for what groups runs and is said of them: namespace, experiment, run, note, tag."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from renex_jupyter.cli.parsing import Parser, add_verb
from renex_jupyter.errors import invalid_argument
from renex_jupyter.query import notes as note_query
from renex_jupyter.query.owners import find_owner
from renex_jupyter.query.runs import NOT_ARCHIVED
from renex_jupyter.query.tags import list_tags
from renex_jupyter.records.experiments import NOTE_KINDS
from renex_jupyter.session import experiments, found_runs, housekeeping, namespaces, notes, params, run_edits, tags
from renex_jupyter.session.current import current
from renex_jupyter.session.given import read_given

if TYPE_CHECKING:
    import pandas as pd

VERBS = ("namespace", "experiment", "run", "note", "tag")
KINDS = ("namespaces", "experiments", "notes")
RUN_COLUMNS = ["run_id", "name", "status", "experiment", "started_at", "duration_s"]
NAMESPACE_COLUMNS = ["name", "experiments", "runs", "models", "last_run_at", "description", "owner", "created_at"]
EXPERIMENT_COLUMNS = [
    "experiment_id", "name", "namespace", "runs", "last_run_at", "starred", "description", "owner", "framework",
]  # fmt: skip
NOTE_COLUMNS = ["note_id", "owner_kind", "owner_id", "kind", "text", "author", "created_at"]
EXPERIMENT = "NAME, NAMESPACE/NAME, or an id"
OBJECT = "run:NAME, experiment:NAME, namespace:NAME, model:NAME, NAME:VERSION, or the name or id of a run or a snapshot"
SHOWN: Mapping[str, Callable[[str], Any]] = {  # by the word before a colon
    "experiment": experiments.get_experiment,
    "namespace": namespaces.get_namespace,
    "run": found_runs.get_run,
    "snapshot": housekeeping.get_snapshot,
}


def add_experiment_verbs(verbs: Any) -> None:
    """Add the verbs."""
    _add_namespaces(verbs)
    _add_experiments(verbs)
    _add_runs(verbs)
    note = add_verb(verbs, "note", "write down what you observed of anything, or list what was")
    note.add_argument("on", metavar="OBJECT", help=f"{OBJECT}; with --edit or --delete the id of a note")
    note.add_argument("text", nargs="*", metavar="TEXT", help="Markdown; without one, the notes are listed")
    note.add_argument("--kind", choices=NOTE_KINDS, help="(default observation; of a list: all)")
    doing = note.add_mutually_exclusive_group()
    doing.add_argument("--edit", action="store_true", help="give a note this text instead")
    doing.add_argument("--delete", action="store_true", help="delete a note")
    note.set_defaults(do=_note)
    tag = add_verb(verbs, "tag", "put tags on anything, or list them")
    tag.add_argument("on", metavar="OBJECT", help=OBJECT)
    tag.add_argument("tags", nargs="*", metavar="KEY=VALUE", help="without any, the tags are listed")
    tag.add_argument("-d", "--delete", action="append", default=[], metavar="KEY", help="take it away; may repeat")
    tag.set_defaults(do=_tag)


def show_named(word: str) -> Any:
    """Return what `KIND:WORD` means; None where that is of none of `SHOWN`."""
    kind, colon, name = word.partition(":")
    return SHOWN[kind](name) if colon and kind in SHOWN else None


def list_runs(args: argparse.Namespace) -> pd.DataFrame:
    """Return the newest runs; those that are part of others say of which."""
    clauses = [] if args.all else [NOT_ARCHIVED]
    if args.starred:
        clauses.append("starred")
    if args.experiment is not None:
        found = experiments.get_experiment(args.experiment, args.namespace)
        clauses = [*(() if args.all else ("not coalesce(archived, false)",)), *clauses[not args.all :]]
        clauses.append(f"namespace = {_quoted(found.namespace)} and experiment = {_quoted(found.name)}")
    frame = found_runs.search_runs(
        " and ".join(clauses) or None, limit=args.limit, namespace=args.namespace, archived=True
    )
    names = [*RUN_COLUMNS, *(["parent_run_id"] if frame["parent_run_id"].notna().any() else [])]
    return frame[names + [name for name in map(str, frame) if name.startswith(("metrics.", "params."))]]


def list_kind(args: argparse.Namespace) -> pd.DataFrame:
    """Return namespaces, experiments or notes, as `ls` shows them."""
    if args.kind == "namespaces":
        return _with_marks(namespaces.list_namespaces(archived=args.all), NAMESPACE_COLUMNS, args)
    if args.kind == "notes":
        return note_query.list_notes(current().store.reader, namespace=args.namespace)[NOTE_COLUMNS].head(args.limit)
    frame = experiments.list_experiments(args.namespace, archived=args.all)
    frame = frame[frame["starred"]] if args.starred else frame
    return _with_marks(
        frame, [*EXPERIMENT_COLUMNS, *(name for name in map(str, frame) if name.startswith("tags."))], args
    )


def _with_marks(frame: pd.DataFrame, columns: Sequence[str], args: argparse.Namespace) -> pd.DataFrame:
    return frame[[*columns, *(["archived"] if args.all else [])]].head(args.limit)


def _add_namespaces(verbs: Any) -> None:
    own = _group(verbs, "namespace", "namespaces, which own experiments, models and datasets", "namespaces")
    show = add_verb(own, "show", "what is said of it, and how much is in it")
    show.add_argument("name")
    show.set_defaults(do=lambda args: namespaces.get_namespace(args.name))
    create = add_verb(own, "create", "create one; the first use of its name does the same")
    create.add_argument("name")
    _add_words(create, ())
    create.set_defaults(do=lambda args: namespaces.create_namespace(args.name, **_given(args, ())))
    edit = add_verb(own, "edit", "describe, rename or archive it")
    edit.add_argument("name")
    edit.add_argument("--name", dest="new_name", metavar="NEW", help="rename it, with all that is in it")
    _add_words(edit, ("archive",))
    edit.set_defaults(do=lambda args: namespaces.update_namespace(args.name, **_given(args, ("new_name", "archived"))))
    delete = add_verb(own, "delete", "delete an empty one")
    delete.add_argument("name")
    delete.set_defaults(do=lambda args: namespaces.delete_namespace(args.name))


def _add_experiments(verbs: Any) -> None:
    own = _group(verbs, "experiment", "experiments, which group runs", "experiments")
    show = add_verb(own, "show", "what is said of it, with its notes and tags")
    show.add_argument("id", help=EXPERIMENT)
    show.set_defaults(do=lambda args: experiments.get_experiment(args.id))
    create = add_verb(own, "create", "create one; the first run in it does the same")
    create.add_argument("name")
    create.add_argument("--namespace", metavar="NAME", help="that owns it (default: default)")
    _add_words(create, ("words",))
    words = ("namespace", "framework", "external_id", "link")
    create.set_defaults(do=lambda args: experiments.create_experiment(args.name, **_given(args, words)))
    edit = add_verb(own, "edit", "describe, rename, move, star or archive it")
    edit.add_argument("id", help=EXPERIMENT)
    edit.add_argument("--name", metavar="NEW", help="rename it; its runs stay in it")
    edit.add_argument("--namespace", metavar="NEW", help="move it there, with its runs")
    _add_words(edit, ("words", "star", "archive"))
    edit.set_defaults(
        do=lambda args: experiments.update_experiment(args.id, **_given(args, ("name", *words, "starred", "archived")))
    )
    delete = add_verb(own, "delete", "delete it; its name can be used again")
    delete.add_argument("id", help=EXPERIMENT)
    delete.add_argument("--runs", action="store_true", help="with the runs in it")
    delete.add_argument("-y", "--yes", action="store_true", help="do it; without, it is only said what would go")
    delete.set_defaults(do=lambda args: experiments.delete_experiment(args.id, runs=args.runs, dry_run=not args.yes))


def _add_runs(verbs: Any) -> None:
    run = add_verb(verbs, "run", "runs: show, rename, move, star, archive, delete")
    own = run.add_subparsers(dest="run_verb", metavar="VERB", required=True, parser_class=Parser)
    show = add_verb(own, "show", "show one")
    show.add_argument("id", help="id, unique prefix or name")
    show.set_defaults(do=lambda args: found_runs.get_run(args.id))
    edit = add_verb(own, "edit", "rename, move, star or archive one")
    edit.add_argument("id", help="id, unique prefix or name")
    edit.add_argument("--name", metavar="NEW", help="rename it")
    edit.add_argument("--experiment", metavar="NAME", help="move it there, with the runs that are part of it")
    edit.add_argument("--namespace", metavar="NAME", help="of that experiment")
    _add_marks(edit, ("star", "archive"))
    words = ("name", "experiment", "namespace", "starred", "archived")
    edit.set_defaults(do=lambda args: run_edits.update_run(args.id, **_values(args, words)))
    delete = add_verb(own, "delete", "delete one, with the runs that are part of it and all that is theirs")
    delete.add_argument("id", help="id or unique prefix, or a name that only one run has")
    delete.add_argument("-y", "--yes", action="store_true", help="do it; without, it is only said what would go")
    delete.set_defaults(do=lambda args: run_edits.delete_run(args.id, dry_run=not args.yes))


def _group(verbs: Any, name: str, words: str, kind: str) -> Any:
    """Add a verb with verbs of its own; alone it lists."""
    parser = add_verb(verbs, name, words)
    parser.set_defaults(do=list_kind, kind=kind, limit=1000, all=False, namespace=None, starred=False)
    own = parser.add_subparsers(dest=f"{name}_verb", metavar="VERB", parser_class=Parser)
    listing = add_verb(own, "ls", "list them", aliases=["list"])
    listing.add_argument("-a", "--all", action="store_true", help="archived ones, too")
    listing.add_argument("-n", "--limit", type=int, default=1000, help="at most this many")
    if name == "experiment":
        listing.add_argument("--namespace", metavar="NAME", help="those in it")
        listing.add_argument("--starred", action="store_true", help="only starred ones")
    listing.set_defaults(do=list_kind)
    return own


def _add_words(parser: argparse.ArgumentParser, more: Sequence[str]) -> None:
    parser.add_argument("-m", "--description", metavar="TEXT", help="what it is about; an empty text takes it away")
    parser.add_argument("--owner", metavar="NAME", help="whose it is")
    parser.add_argument(
        "--metadata", action="append", metavar="WHAT", help="a JSON/YAML/TOML file, or key=value; may repeat"
    )
    if "words" in more:
        parser.add_argument("--framework", metavar="NAME", help="what it is written with")
        parser.add_argument("--external-id", metavar="ID", help="of the same thing in another system")
        parser.add_argument("--link", metavar="URL", help="to it there")
    _add_marks(parser, more)


def _add_marks(parser: argparse.ArgumentParser, marks: Sequence[str]) -> None:
    told = {
        "star": ("starred", "list it first", "no more"),
        "archive": ("archived", "list it no more", "list it again"),
    }
    for mark in marks:
        if mark in told:
            name, on, off = told[mark]
            both = parser.add_mutually_exclusive_group()
            both.add_argument(f"--{mark}", dest=name, action="store_const", const=True, help=on)
            both.add_argument(f"--un{mark}", dest=name, action="store_const", const=False, help=off)


def _given(args: argparse.Namespace, more: Sequence[str]) -> dict[str, Any]:
    given = _values(args, ("description", "owner", *more))
    if args.metadata is not None:
        given["metadata"] = read_given(args.metadata, "config", {})
    return given


def _values(args: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def _note(args: argparse.Namespace) -> Any:
    text = " ".join(args.text)
    if args.delete:
        return notes.delete_note(args.on)
    if args.edit:
        return notes.update_note(args.on, text)
    if not args.text:
        return notes.list_notes(args.on, kind=args.kind)[NOTE_COLUMNS]
    return notes.add_note(text, kind=args.kind or NOTE_KINDS[0], on=args.on)


def _tag(args: argparse.Namespace) -> pd.DataFrame:
    """Return the tags, after those that are given are put on it."""
    bare = [word for word in args.tags if not word.partition("=")[0] or "=" not in word]
    if bare:
        raise invalid_argument(f"'{bare[0]}' is no KEY=VALUE.", "Write it so: renex tag run:train keep=yes")
    session = current()
    owner = find_owner(session.store.reader, args.on, session.namespace)
    missing = [key for key in args.delete if key not in set(list_tags(session.store.reader, owner.id)["key"])]
    for key in missing or args.delete:  # one that is not there is told before anything is changed
        tags.delete_tag(key, on=owner)
    if args.tags:
        params.set_tags(dict(word.split("=", 1) for word in args.tags), on=owner)
    return list_tags(session.store.reader, owner.id)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
