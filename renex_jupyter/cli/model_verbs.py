"""`model ls|show|create|register|alias|label|compare|load|retire|restore|replace|edit|delete`: models and their versions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from renex_jupyter import ids
from renex_jupyter.cli.environment_verbs import Text
from renex_jupyter.cli.parsing import Parser, add_verb
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.query import models as query
from renex_jupyter.session import aliases, decisions, models, version_diffs, version_files, versions
from renex_jupyter.session.current import current
from renex_jupyter.session.given import read_given

if TYPE_CHECKING:
    import pandas as pd

    from renex_jupyter.records.models import Model, ModelVersion

MODEL_VERBS = (
    "ls", "list", "show", "create", "register", "alias", "label", "compare", "load", "retire", "restore", "replace", "edit",
    "delete",
)  # fmt: skip
REF = "digits:3, digits@champion, vision/digits@latest, an id or the beginning of one"
MODEL = "the name of a model, or vision/digits with its namespace"
MODEL_EDITS = ("name", "namespace", "task", "owner", "starred", "archived")  # what a version has not


def add_model_verbs(verbs: Any) -> None:
    """Add `model` with its own verbs."""
    model = add_verb(verbs, "model", "models: their versions, aliases, labels, and what was decided of them")
    model.set_defaults(do=_list, limit=20, model=None, namespace=None, archived=False)
    own = model.add_subparsers(dest="model_verb", metavar="VERB", parser_class=Parser)
    listing = add_verb(own, "ls", "list models, or the versions of one, newest first", aliases=["list"])
    listing.add_argument("model", nargs="?", help=MODEL)
    listing.add_argument("-n", "--limit", type=int, default=20, help="at most this many (default 20)")
    listing.add_argument("--namespace", help="only models of this one")
    listing.add_argument("--archived", action="store_true", help="also archived models")
    listing.set_defaults(do=_list)
    show = add_verb(own, "show", "show a model, or a version of one")
    show.add_argument("ref", help=f"{MODEL}; or {REF}")
    show.set_defaults(do=lambda args: show_model(args.ref))
    create = add_verb(
        own, "create", "make a model without a version yet, for what is to be said of it and its policies"
    )
    create.add_argument("name", help=MODEL)
    for name in ("task", "description", "owner", "namespace"):
        create.add_argument(f"--{name}")
    create.set_defaults(do=_create)
    _add_register(own)
    _add_words(own)
    compare = add_verb(own, "compare", "compare two versions: params, metrics, packages, files, code")
    compare.add_argument("a", help=REF)
    compare.add_argument("b", help="the same, or the number of a version of the same model")
    compare.add_argument("-a", "--all", action="store_true", help="also what is equal")
    compare.set_defaults(do=lambda args: version_diffs.compare_versions(args.a, args.b, unchanged=args.all))
    load = add_verb(own, "load", "write the contents of a version to a place, verified, and print its path")
    load.add_argument("ref", help=REF)
    load.add_argument("--to", metavar="PATH", help="a new path, or a folder (default: a cache in the store)")
    load.add_argument("-f", "--force", action="store_true", help="replace what is there")
    load.set_defaults(do=lambda args: Text(version_files.load_model(args.ref, args.to, force=args.force)))
    _add_decisions(own)
    _add_edits(own)


def _add_register(own: Any) -> None:
    register = add_verb(own, "register", "make a new version of a model, created on its first use")
    register.add_argument("name", help=MODEL)
    for name, words in (
        ("path", "a file or a folder"),
        ("run", "its newest checkpoint or model; beside --path only where that comes from"),
        ("checkpoint", "id or the beginning of it"),
        ("artifact", "id, the beginning of it, or name"),
        ("dataset", "the name of what it was trained on"),
        ("framework", "such as scikit-learn"),
        ("description", "what there is to say of it"),
    ):
        register.add_argument(f"--{name}", help=words)
    register.add_argument("--label", action="append", help="a word that only this version has then; may repeat")
    for name in ("params", "metrics", "metadata"):
        words = "a JSON/YAML/TOML file, or key=value; may repeat"
        register.add_argument(f"--{name}", action="append", metavar="WHAT", help=words)
    register.set_defaults(do=_register)


def _add_words(own: Any) -> None:
    for kind, do, words in (
        ("alias", _alias, "have an alias name a version, or take it away"),
        ("label", _label, "put a label on a version, or take it away"),
    ):
        parser = add_verb(own, kind, words)
        parser.add_argument("model", help=MODEL)
        parser.add_argument("word", metavar=kind.upper(), help="such as champion" if kind == "alias" else "any word")
        parser.add_argument("version", nargs="?", help="its number, or a reference such as digits@challenger")
        parser.add_argument("--remove", action="store_true", help="take it away")
        if kind == "alias":
            parser.add_argument("-m", "--reason", help="why; kept with the change")
            forced = "also to a version that is retired, or not what a policy requires"
            parser.add_argument("-f", "--force", action="store_true", help=forced)
        parser.set_defaults(do=do)


def _add_decisions(own: Any) -> None:
    retire = add_verb(own, "retire", "decide that a version is not to be used any more")
    retire.add_argument("ref", help=REF)
    retire.add_argument("reason", nargs="+", help="why")
    retire.add_argument("-f", "--force", action="store_true", help="also take away the aliases that name it")
    retire.set_defaults(do=lambda args: decisions.retire_version(args.ref, _reason(args), force=args.force))
    restore = add_verb(own, "restore", "decide that a retired version may be used again")
    restore.add_argument("ref", help=REF)
    restore.add_argument("reason", nargs="+", help="why")
    restore.set_defaults(do=lambda args: decisions.restore_version(args.ref, _reason(args)))
    replace = add_verb(own, "replace", "have a version take the place of another, with its aliases")
    replace.add_argument("old", help=REF)
    replace.add_argument("new", help="the same, or the number of a version of the same model")
    replace.add_argument("reason", nargs="+", help="why")
    replace.add_argument("-f", "--force", action="store_true", help="although it is not what a policy requires")
    replace.set_defaults(do=lambda args: decisions.replace_version(args.old, args.new, _reason(args), force=args.force))


def _add_edits(own: Any) -> None:
    edit = add_verb(own, "edit", "change what is said of a model, or the description of a version")
    edit.add_argument("ref", help=f"{MODEL}; or {REF}")
    for name in ("description", "name", "namespace", "task", "owner"):
        edit.add_argument(
            f"--{name}", help="an empty text takes it away" if name not in MODEL_EDITS[:2] else "the new one"
        )
    edit.add_argument("--star", dest="starred", action=argparse.BooleanOptionalAction, default=None)
    edit.add_argument("--archive", dest="archived", action=argparse.BooleanOptionalAction, default=None)
    edit.set_defaults(do=_edit)
    delete = add_verb(own, "delete", "delete a version, or a model")
    delete.add_argument("ref", help=f"{MODEL}; or {REF}")
    delete.add_argument("--versions", action="store_true", help="of a model: with all of its versions")
    delete.add_argument("--aliases", action="store_true", help="of a version: with the aliases that name it")
    delete.add_argument("-y", "--yes", action="store_true", help="yes: this cannot be undone")
    delete.set_defaults(do=_delete)


def list_models(args: argparse.Namespace) -> pd.DataFrame:
    """Return models as a list shows them."""
    return _shown(models.list_models(args.namespace, archived=getattr(args, "archived", False)), args)


def show_model(ref: str) -> Model | ModelVersion:
    """Return the model that a name means, or the version that a reference or an id means."""
    return versions.get_model_version(ref) if _is_version(ref) else models.get_model(ref)


def find_model(word: str) -> Model | ModelVersion | None:
    """Return what a word means in the registry; None for one that is neither a name there nor a reference or an id.

    Raises
    ------
    RenexError : `not_found` for a reference to what is not there.
    """
    try:
        return show_model(word)
    except RenexError:
        if not {":", "@"} & set(word):
            return None
        raise


def _list(args: argparse.Namespace) -> pd.DataFrame:
    if args.limit < 1:
        raise invalid_argument(f"-n {args.limit} lists nothing.", "Give a number from 1.")
    return list_models(args) if args.model is None else _shown(versions.list_model_versions(args.model), args)


def _shown(frame: pd.DataFrame, args: argparse.Namespace) -> pd.DataFrame:
    """Return the first rows, with words instead of lists where a person reads them."""
    frame = frame.head(args.limit)
    if not args.json:
        for name in ("aliases", "labels"):
            if name in frame:
                frame = frame.assign(**{name: frame[name].map(_words)})
    return frame


def _words(some: Any) -> str:
    if isinstance(some, dict):
        return ", ".join(f"{alias} v{version}" for alias, version in some.items())
    return ", ".join(some)


def _is_version(ref: str) -> bool:
    """Say whether a word means a version, rather than a model: it names one, or is the id of one."""
    if ":" in ref or "@" in ref:
        return True
    session = current()
    try:
        query.find_model(session.store.reader, ref, session.namespace)
    except RenexError as error:
        if error.code != "not_found" or ids.prefix(ref) is None:
            raise
        return True
    return False


def _create(args: argparse.Namespace) -> Model:
    said = {name: getattr(args, name) for name in ("task", "description", "owner", "namespace")}
    return models.create_model(args.name, **said)


def _register(args: argparse.Namespace) -> ModelVersion:
    given: dict[str, Any] = {
        name: read_given(getattr(args, name), what, {}) if getattr(args, name) is not None else None
        for name, what in (("params", "config"), ("metrics", "metrics"), ("metadata", "config"))
    }
    names = ("path", "run", "checkpoint", "artifact", "dataset", "framework", "description")
    given |= {name: getattr(args, name) for name in names}
    return versions.register_model(args.name, labels=args.label, **given)


def _alias(args: argparse.Namespace) -> ModelVersion | Text:
    if not _removes(args):
        return aliases.set_alias(args.model, args.word, args.version, reason=args.reason, force=args.force)
    aliases.delete_alias(args.model, args.word, reason=args.reason)
    return Text(f"alias '{args.word}' of model '{args.model}' is taken away")


def _label(args: argparse.Namespace) -> ModelVersion | Text:
    if not _removes(args):
        return aliases.set_label(args.model, args.word, args.version)
    aliases.delete_label(args.model, args.word)
    return Text(f"label '{args.word}' of model '{args.model}' is taken away")


def _removes(args: argparse.Namespace) -> bool:
    if args.remove is (args.version is not None):
        raise invalid_argument(f"{args.model_verb} takes a version or --remove.", "Give just one of them.")
    return bool(args.remove)


def _reason(args: argparse.Namespace) -> str:
    return " ".join(args.reason)


def _edit(args: argparse.Namespace) -> Model | ModelVersion:
    if not _is_version(args.ref):
        given = {name: getattr(args, name) for name in ("description", *MODEL_EDITS)}
        return models.update_model(args.ref, **given)
    wrong = [name for name in MODEL_EDITS if getattr(args, name) is not None]
    if wrong:
        raise invalid_argument(f"a version has no {wrong[0]} of its own.", "Give the name of the model alone.")
    return versions.update_model_version(args.ref, description=args.description)


def _delete(args: argparse.Namespace) -> Text:
    found = show_model(args.ref)
    if not args.yes:
        raise invalid_argument(f"{found.title} would be deleted.", "To do it, add --yes. It cannot be undone.")
    if _is_version(args.ref):
        deleted = versions.delete_model_version(args.ref, aliases=args.aliases)
        return Text(f"{deleted.title} is deleted; its number is not given again")
    return Text(f"{models.delete_model(args.ref, versions=args.versions).title} is deleted")
