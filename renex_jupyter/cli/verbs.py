"""The verbs of `%renex` and of `renex`: one parser, one function each."""

from __future__ import annotations

import argparse
import ast
import getpass
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from renex_jupyter import ids
from renex_jupyter.cli.artifact_verbs import ARTIFACT_VERBS, add_artifact_verbs
from renex_jupyter.cli.dataset_verbs import DATASET_VERBS, add_dataset_verbs
from renex_jupyter.cli.doctor import Report, examine
from renex_jupyter.cli.drift_verbs import DRIFT_VERBS, add_drift_verbs, find_look
from renex_jupyter.cli.environment_verbs import add_environment_verbs
from renex_jupyter.cli.evaluation_verbs import EVALUATION_VERBS, add_evaluation_verbs
from renex_jupyter.cli.event_verbs import EVENT_VERBS, add_event_verbs
from renex_jupyter.cli.experiment_verbs import KINDS as GROUPS
from renex_jupyter.cli.experiment_verbs import VERBS as EXPERIMENT_VERBS
from renex_jupyter.cli.experiment_verbs import add_experiment_verbs, list_kind, list_runs, show_named
from renex_jupyter.cli.model_verbs import add_model_verbs, find_model, list_models
from renex_jupyter.cli.parsing import HelpShown, Parser, add_verb
from renex_jupyter.cli.pattern_verbs import PATTERN_VERBS, add_pattern_verbs
from renex_jupyter.cli.policy_verbs import add_policy_verbs
from renex_jupyter.cli.rerun_verbs import add_rerun_verbs
from renex_jupyter.cli.snapshot_verbs import add_filters, add_snapshot_verbs, list_snapshots, refuse_filters
from renex_jupyter.cli.tables import NOTEBOOK, Table, as_text
from renex_jupyter.cli.task_verbs import add_task_verbs
from renex_jupyter.cli.workspace_verbs import WORKSPACE_VERBS, add_workspace_verbs
from renex_jupyter.errors import RenexError, from_os_error, invalid_argument
from renex_jupyter.query.objects import RUN, find_object
from renex_jupyter.records.access import MODES
from renex_jupyter.session import access, checkouts, environments, found_runs, housekeeping, keeping, status
from renex_jupyter.session.current import current
from renex_jupyter.session.sql import sql, sql_rows

if TYPE_CHECKING:
    import pandas as pd

    from renex_jupyter.records.access import Access
    from renex_jupyter.records.keeping import Purged

KINDS = ("runs", "snapshots", *GROUPS, "environments", "tasks", "models")

# What 1 means of a verb, see docs/terminal.md; of every other verb there is no 1.
ONE = {
    "task": "1 the run has failed, was stopped by somebody else or is lost",
    "rerun": "1 the run has not finished",
    "verify": "1 the verdict is different or failed",
    "fsck": "1 something that was recorded is damaged or missing",
    "doctor": "1 a check failed",
    "rebuild": "1 records were lost in it",
    "export": "1 the file lacks something",
    "artifact": "1 it is not what it was (verify)",
    "event": "1 a line on standard input was no event",
}

_QUOTED = r""" "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' """
QUOTED = re.compile(_QUOTED, re.VERBOSE)
WORD = re.compile(rf"""(?: [^\s"'] | {_QUOTED} )+""", re.VERBOSE)


def parser_for(program: str, *, notebook: bool) -> argparse.ArgumentParser:
    """Return the parser of every verb; a terminal lacks those whose result only a notebook can show."""
    parser = Parser(prog=program, description="Runs, snapshots and their history in this project.")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)
    add_verb(verbs, "status", "where the store is, what it holds, what is recorded now").set_defaults(do=_status)
    listing = add_verb(verbs, "ls", "list, newest first", aliases=["list"])
    listing.add_argument("kind", nargs="?", default="runs", choices=KINDS)
    listing.add_argument("-n", "--limit", type=int, default=20, help="at most this many (default 20)")
    add_filters(listing)
    listing.set_defaults(do=_list)
    show = add_verb(verbs, "show", "show a run, a snapshot, a model or a version of one, a look at drift")
    show.add_argument("id", help="id, unique prefix, name or label; digits@champion, digits:3")
    show.set_defaults(do=_show)
    add_snapshot_verbs(verbs, notebook=notebook)
    add_environment_verbs(verbs, notebook=notebook)
    bring = add_verb(verbs, "checkout", "write the notebook and files of a state into a folder, or back in place")
    bring.add_argument("id")
    bring.add_argument("--to", help="the folder (default: checkout-ID in the project)")
    bring.add_argument("--in-place", action="store_true", help="make the project that state; a snapshot is taken first")
    bring.add_argument("-f", "--force", action="store_true", help="overwrite files of a folder, or an open notebook")
    bring.set_defaults(do=_checkout)
    ask = add_verb(verbs, "sql", "ask the history with SQL")
    ask.add_argument("query", nargs="+")
    ask.set_defaults(do=_sql_frame if notebook else _sql_table)
    if notebook:
        add_verb(verbs, "panel", "the side panel's view in this cell").set_defaults(do=_panel)
    add_verb(verbs, "doctor", "check the installation").set_defaults(do=_doctor)
    add_task_verbs(verbs, notebook=notebook)
    add_rerun_verbs(verbs, notebook=notebook)
    add_artifact_verbs(verbs)
    add_model_verbs(verbs)
    add_policy_verbs(verbs)
    add_pattern_verbs(verbs)
    add_dataset_verbs(verbs)
    add_drift_verbs(verbs)
    add_evaluation_verbs(verbs)
    add_event_verbs(verbs, notebook=notebook)
    add_experiment_verbs(verbs)
    add_workspace_verbs(verbs)
    _add_keeping(verbs, notebook=notebook)
    if not notebook:
        for each, name in ({parser: ""} | {each: name for name, each in verbs.choices.items()}).items():
            each.add_argument("--json", action="store_true", help="the answer as JSON, whole")  # `main` takes it out
            each.epilog = _exit_status(name)
    return parser


def _exit_status(verb: str) -> str:
    """Return what `-h` says of the exit status of a verb; "": of all of them."""
    one = ONE.get(verb) or ("" if verb else "1 the answer says what is wrong (renex VERB -h)")
    told = ["0 done", *filter(None, [one]), "2 an error, told on standard error", "130 interrupted"]
    return f"Exit status: {', '.join(told)}."


def _add_keeping(verbs: Any, *, notebook: bool) -> None:
    """Add the verbs that work on the store as a whole."""
    check = add_verb(verbs, "fsck", "check the store; changes nothing of what is recorded")
    check.add_argument(
        "--accept", action="store_true", help="tell no more of files that were set aside or went missing"
    )
    check.set_defaults(do=lambda args: keeping.fsck(accept=args.accept))
    who = add_verb(verbs, "access", "say who may enter the store, or change it")
    who.add_argument("mode", nargs="?", choices=MODES, help="private, or group: a group of this machine too")
    who.add_argument("--group", help="its name")
    who.add_argument("--read-only", action="store_true", help="its members may read, and record nothing")
    who.set_defaults(do=_access)
    add_verb(verbs, "rebuild", "make the index anew").set_defaults(do=lambda _: keeping.rebuild())
    free = add_verb(verbs, "gc", "say which contents nothing names any more, or free them")
    free.add_argument("-y", "--yes", action="store_true", help="free them")
    free.set_defaults(do=lambda args: keeping.gc(dry_run=not args.yes))
    purge = add_verb(verbs, "purge", "take a run, a snapshot or a secret out for good")
    purge.add_argument("id", nargs="?", help="id, unique prefix, or a name or label that nothing else has")
    purge.add_argument("--secret", action="store_true", help="a text instead, asked for, or read from standard input")
    purge.add_argument("--secret-file", metavar="FILE", help="the same, read from a file")
    purge.add_argument("-y", "--yes", action="store_true", help="yes: this cannot be undone")
    purge.set_defaults(do=lambda args: _purge(args, notebook=notebook))
    give = add_verb(verbs, "export", "write the store, or some runs of it, into one file")
    give.add_argument("file", metavar="FILE", help="the file to make")
    give.add_argument("runs", nargs="*", default=[], metavar="RUN", help="id, prefix or name (default: everything)")
    give.set_defaults(do=lambda args: keeping.export_store(args.file, args.runs or None))
    take = add_verb(verbs, "import", "take in what another store exported")
    take.add_argument("file", metavar="FILE", help="what export made")
    take.set_defaults(do=lambda args: keeping.import_store(args.file))


ASKING = (
    "status",
    "ls",
    "list",
    "show",
    "diff",
    "edit",
    "delete",
    "checkout",
    "env",
    "model",
    "policy",
    "sql",
    "panel",
    "doctor",
)
VERBS = (
    *ASKING,
    *ARTIFACT_VERBS,
    *DATASET_VERBS,
    *DRIFT_VERBS,
    *EVALUATION_VERBS,
    *EVENT_VERBS,
    *EXPERIMENT_VERBS,
    *PATTERN_VERBS,
    *WORKSPACE_VERBS,
    "stop",
    "attach",
    "logs",
    "rerun",
    "verify",
    "fsck",
    "access",
    "rebuild",
    "gc",
    "purge",
    "export",
    "import",
)


def run_verb(
    parser: argparse.ArgumentParser, words: Sequence[str], *, command: Sequence[str] = (), as_json: bool = False
) -> Any:
    """Parse the words, call the verb and return its result; None when only the help was shown.

    Parameters
    ----------
    command : what `task` is to run, see `with_command`.
    as_json : the answer, and nothing else, will be on standard output.
    """
    try:
        args = parser.parse_args(list(words))
    except HelpShown:
        return None
    args.command, args.json = list(command), as_json
    do: Callable[[argparse.Namespace], Any] = args.do
    try:
        return do(args)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise from_os_error(error, f"{args.verb} stopped") from error


def compact(frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows as a person reads them: ids by 8 characters, times without their fractions, durations in words.

    Of the params and metrics of runs at most as many are returned as a notebook shows; a printed line counts the rest.
    """
    from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype  # loaded already, by who made the frame

    table, shown = Table.of_frame(frame), frame.copy()
    for place, name in enumerate(table.names):
        kind = frame.dtypes.iloc[place]
        told = name.endswith("_at") or name == "duration_s"
        if told or not (is_numeric_dtype(kind) or is_datetime64_any_dtype(kind)):
            shown.isetitem(place, [as_text(name, value) for value in table.columns[place]])
    some = sorted(table.by_interest()[:NOTEBOOK]) if table.has_values else list(range(len(table.names)))
    if len(some) < len(table.names):
        more = len(table.names) - len(some)
        print(f"renex: {more:,} more params and metrics are not shown; rx.search_runs() has them all.")
    return shown.iloc[:, some].rename(columns={"duration_s": "duration"})


def split(line: str) -> list[str]:
    """Split a line into words as Python reads them: quotes hold a word together and may stand inside it.

    A word that is quoted as a whole loses its quotes; `name='a b'` keeps them, for whoever reads the value.
    """
    if WORD.sub("", line).strip():
        raise invalid_argument(f"{line!r} cannot be split.", "Close the quotes.")
    return [unquoted(word) for word in WORD.findall(line)]


def unquoted(word: str) -> str:
    """Take the quotes off a word, or off the value of a long option."""
    option, equals, value = word.partition("=")
    if equals and option.startswith("--"):
        return f"{option}={unquoted(value)}"
    if QUOTED.fullmatch(word):
        try:
            return str(ast.literal_eval(word))
        except (SyntaxError, ValueError):
            return word[1:-1]
    return word


def _status(_args: argparse.Namespace) -> status.Status:
    return status.status()


def _list(args: argparse.Namespace) -> pd.DataFrame:
    if args.limit < 1:
        raise invalid_argument(f"-n {args.limit} lists nothing.", "Give a number from 1.")
    if args.kind == "snapshots":
        return list_snapshots(args)
    refuse_filters(args)
    if args.kind == "runs":
        return list_runs(args)
    if args.kind in GROUPS:
        return list_kind(args)
    if args.kind == "models":
        return list_models(args)
    if args.kind == "environments":
        return environments.list_environments().head(args.limit)
    return sql(f"select * from {args.kind} order by created_at desc limit {args.limit}", frames={})


def _sql_frame(args: argparse.Namespace) -> pd.DataFrame:
    return sql(" ".join(args.query), frames={})


def _sql_table(args: argparse.Namespace) -> Table:
    return Table.of_rows(*sql_rows(" ".join(args.query)))


def _show(args: argparse.Namespace) -> Any:
    named = show_named(args.id)
    if named is not None:
        return named
    try:
        kind, object_id = find_object(current().store.reader, args.id)
    except RenexError as unknown:
        found = (find_model(args.id) or find_look(args.id)) if unknown.code == "not_found" else None
        if found is None:
            raise
        return found
    return found_runs.get_run(object_id) if kind == RUN else housekeeping.get_snapshot(object_id)


def _checkout(args: argparse.Namespace) -> Any:
    return checkouts.checkout(args.id, args.to, in_place=args.in_place, force=args.force)


def _panel(_args: argparse.Namespace) -> Any:
    from renex_jupyter.views import panel

    return panel.show()


def _access(args: argparse.Namespace) -> Access:
    if args.mode is None:
        return access.get_access()
    return access.set_access(args.mode, group=args.group, write=not args.read_only)


def _doctor(_args: argparse.Namespace) -> Report:
    return examine()


def _purge(args: argparse.Namespace, *, notebook: bool) -> Purged:
    if (args.id is not None) + args.secret + (args.secret_file is not None) != 1:
        raise invalid_argument("purge takes one of ID, --secret and --secret-file.", "Give just one of them.")
    object_id = None if args.id is None else keeping.find_purgeable(args.id)
    if not args.yes:
        what = "the secret" if object_id is None else f"'{args.id}' ({ids.short(object_id)})"
        raise invalid_argument(f"{what} would be taken out for good.", "To do it, add --yes. It cannot be undone.")
    if object_id is not None:
        return keeping.purge(object_id)
    return keeping.purge(secret=_secret(args.secret_file, notebook=notebook))


def _secret(path: str | None, *, notebook: bool) -> str:
    """Return the secret; it is never a word of the command line, which the shell's history would keep."""
    if path is not None:
        try:
            return Path(path).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise from_os_error(error, "the secret cannot be read") from error
    if notebook or sys.stdin.isatty():
        return getpass.getpass("The secret to take out: ")
    return sys.stdin.read().rstrip("\r\n")
