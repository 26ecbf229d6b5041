"""`workspace ls|save|show|samples|charts|changed|code|versions|diff|edit|export|import|delete`: saved views on datasets."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from renex_jupyter.cli.parsing import Parser, add_verb
from renex_jupyter.errors import invalid_argument
from renex_jupyter.records import display
from renex_jupyter.records.charts import TYPES
from renex_jupyter.records.workspaces import SavedWorkspace
from renex_jupyter.session import workspace_files, workspaces
from renex_jupyter.session.current import current

if TYPE_CHECKING:
    import pandas as pd

WORKSPACE_VERBS = ("workspace",)
NAME = "NAME, NAME:VERSION, NAMESPACE/NAME, or an id"
COLUMNS = ["name", "namespace", "dataset", "version", "dataset_version", "charts", "saved_at", "description"]


def add_workspace_verbs(verbs: Any) -> None:
    """Add `workspace` with its own verbs."""
    workspace = add_verb(verbs, "workspace", "saved views on datasets: filters, charts, notes")
    workspace.set_defaults(do=_list, dataset=None, all=False)
    own = workspace.add_subparsers(dest="workspace_verb", metavar="VERB", parser_class=Parser)
    listing = add_verb(own, "ls", "list them", aliases=["list"])
    listing.add_argument("dataset", nargs="?", help="those on this dataset")
    listing.add_argument("-a", "--all", action="store_true", help="archived ones, too")
    listing.set_defaults(do=_list)
    save = add_verb(own, "save", "save a view under a name, as its next version if there is one")
    save.add_argument("name")
    save.add_argument("dataset", help="NAME follows the newest version, NAME:3 stays on that one")
    _add_parts(save)
    save.add_argument("--message", metavar="TEXT", help="why it is saved")
    save.add_argument("-m", "--description", metavar="TEXT", help="what it is about")
    save.set_defaults(do=_save)
    _add(own, "show", "what it says", lambda args: workspaces.find_saved(current(), args.name))
    _add(own, "versions", "list its versions", lambda args: workspaces.list_workspace_versions(args.name))
    _add(own, "changed", "how its dataset differs from what it was saved on", _changed)
    _add(own, "code", "the same as Python for a cell", _code)
    samples = _add(own, "samples", "the samples that it selects", _samples)
    samples.add_argument("-n", "--limit", type=int, default=20, help="at most this many (default 20)")
    samples.add_argument("-f", "--filter", metavar="TEXT", help="instead of its own")
    samples.add_argument("--selected", action="store_true", help="only those that are marked")
    charts = _add(own, "charts", "what its charts count; --json gives all of it", _charts)
    charts.add_argument("-f", "--filter", metavar="TEXT", help="instead of its own")
    diff = add_verb(own, "diff", "what differs between two, or two versions of one")
    diff.add_argument("a", help=NAME)
    diff.add_argument("b", help=NAME)
    diff.set_defaults(do=lambda args: workspaces.diff_workspaces(args.a, args.b))
    edit = _add(own, "edit", "rename, describe or archive it, or save its next version with parts changed", _edit)
    edit.add_argument("--name", dest="new_name", metavar="NEW", help="rename it")
    edit.add_argument("-m", "--description", metavar="TEXT", help="what it is about; an empty text takes it away")
    edit.add_argument("--owner", metavar="NAME", help="whose it is")
    archive = edit.add_mutually_exclusive_group()
    archive.add_argument("--archive", dest="archived", action="store_const", const=True, help="list it no more")
    archive.add_argument("--unarchive", dest="archived", action="store_const", const=False, help="list it again")
    _add_parts(edit)
    edit.add_argument("--message", metavar="TEXT", help="why it is changed")
    give = _add(own, "export", "write it into a JSON file", _export)
    give.add_argument("file", metavar="FILE")
    take = add_verb(own, "import", "save what export wrote as a workspace here")
    take.add_argument("file", metavar="FILE")
    take.add_argument("--name", help="(default: its own)")
    take.add_argument("--dataset", help="(default: the one of the same name and content)")
    take.set_defaults(do=_import)
    _add(own, "delete", "delete it with all its versions", lambda args: workspaces.delete_workspace(args.name))


def _add(own: Any, name: str, words: str, do: Any) -> argparse.ArgumentParser:
    parser = add_verb(own, name, words)
    parser.add_argument("name", help=NAME)
    parser.set_defaults(do=do)
    return parser


def _add_parts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--filter", metavar="TEXT", help="which samples: \"age >= 30 and sex = 'F'\"")
    parser.add_argument("--chart", action="append", dest="charts", metavar="TYPE[:COLUMN,...]",
                        help=f"may repeat; {', '.join(TYPES)}")  # fmt: skip
    parser.add_argument("--compare", action="append", metavar="WHAT", help="predictions or a model version; may repeat")
    parser.add_argument("--select", action="append", dest="selection", metavar="KEY", help="mark a sample; may repeat")
    parser.add_argument("--columns", metavar="A,B", help="of tables of samples")
    parser.add_argument("--sort", action="append", metavar="COLUMN[:desc]", help="may repeat")
    parser.add_argument("--notes", metavar="TEXT", help="Markdown; an empty text takes them away")
    parser.add_argument("--version", metavar="N", help="of the dataset: a number, or latest")


def _parts(args: argparse.Namespace) -> dict[str, Any]:
    given = {name: getattr(args, name) for name in ("filter", "compare", "selection", "notes")}
    if args.charts is not None:
        given["charts"] = [_chart(each) for each in args.charts]
    if args.columns is not None:
        given["columns"] = [each for each in args.columns.split(",") if each]
    if args.sort is not None:
        given["sort"] = [_sort(each) for each in args.sort]
    if args.version is not None:
        given["version"] = int(args.version) if args.version.isdecimal() else args.version
    return {name: value for name, value in given.items() if value is not None}


def _chart(word: str) -> dict[str, Any]:
    kind, _, columns = word.partition(":")
    return {"type": kind, "columns": [each for each in columns.split(",") if each]}


def _sort(word: str) -> tuple[str, str]:
    name, colon, order = word.rpartition(":")
    return (name, order) if colon and order in ("asc", "desc") else (word, "asc")


def _list(args: argparse.Namespace) -> pd.DataFrame:
    frame = workspaces.list_workspaces(args.dataset, archived=args.all)
    return frame[[*COLUMNS, *(["archived"] if args.all else [])]]


def _save(args: argparse.Namespace) -> SavedWorkspace | None:
    with workspaces.save_workspace(
        args.name, args.dataset, message=args.message, description=args.description, **_parts(args)
    ) as live:
        return live.saved


def _edit(args: argparse.Namespace) -> SavedWorkspace | None:
    words = {"name": args.new_name, "description": args.description, "owner": args.owner, "archived": args.archived}
    with workspaces.update_workspace(args.name, message=args.message, **words, **_parts(args)) as live:
        return live.saved


def _changed(args: argparse.Namespace) -> Any:
    with workspaces.open_workspace(args.name) as live:
        return live.changed


def _code(args: argparse.Namespace) -> str:
    with workspaces.open_workspace(args.name) as live:
        return live.to_code()


def _samples(args: argparse.Namespace) -> pd.DataFrame:
    with workspaces.open_workspace(args.name) as live:
        if args.selected and args.filter:
            raise invalid_argument("--selected and --filter exclude each other.", "Give one of them.")
        return live.selected(args.limit) if args.selected else live.frame(args.limit, filter=args.filter)


def _charts(args: argparse.Namespace) -> Any:
    with workspaces.open_workspace(args.name) as live:
        tables = live.tables(args.filter)
    if args.json:
        return [each.to_json() for each in tables]
    import pandas as pd

    told = [
        (each.chart.name, len(each.rows), each.problem or display.pairs((each.facts or {}).items())) for each in tables
    ]
    return pd.DataFrame(told, columns=["chart", "rows", "of the whole"])


def _export(args: argparse.Namespace) -> str:
    return str(workspace_files.export_workspace(args.name, args.file))


def _import(args: argparse.Namespace) -> SavedWorkspace | None:
    with workspace_files.import_workspace(args.file, name=args.name, dataset=args.dataset) as live:
        return live.saved
