"""`env ls|show|diff|export|create|build|name`: environments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from renex_jupyter.analysis.environment_texts import FORMATS
from renex_jupyter.cli.parsing import Parser, add_verb
from renex_jupyter.errors import RenexError, invalid_argument
from renex_jupyter.session import environment_builds, environments

if TYPE_CHECKING:
    import pandas as pd

    from renex_jupyter.records.environments import Build, Environment

ENVIRONMENT_VERBS = ("ls", "list", "show", "diff", "export", "create", "build", "name")
WHICH = "name, id, unique prefix, or current (default)"


class Text(str):
    """A text that a notebook prints as it is; a program gets it as a string."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.rstrip("\n")  # whoever prints it ends the line

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(str(self))


def add_environment_verbs(verbs: Any, *, notebook: bool) -> None:
    """Add `env` with its own verbs."""
    words = "environments: what is installed here, what was, and what files describe"
    env = add_verb(verbs, "env", words)
    env.set_defaults(do=_list, limit=20)
    own = env.add_subparsers(dest="env_verb", metavar="VERB", parser_class=Parser)
    listing = add_verb(own, "ls", "list, the current one first", aliases=["list"])
    listing.add_argument("-n", "--limit", type=int, default=20, help="at most this many (default 20)")
    listing.set_defaults(do=_list)
    show = add_verb(own, "show", "packages, origins, lock files, who has it and where it is built")
    show.add_argument("id", nargs="?", default=environments.CURRENT, help=WHICH)
    show.set_defaults(do=lambda args: environments.describe_environment(args.id))
    compare = add_verb(own, "diff", "compare two, or one with the current one")
    compare.add_argument("a", help="name, id or unique prefix")
    compare.add_argument("b", nargs="?", default=environments.CURRENT, help=WHICH)
    compare.set_defaults(do=lambda args: environments.diff_environments(args.a, args.b))
    give = add_verb(own, "export", "print it for other tools")
    give.add_argument("id", nargs="?", default=environments.CURRENT, help=WHICH)
    give.add_argument("-f", "--format", default="requirements", choices=list(FORMATS), help="(default requirements)")
    _add_all(give)
    give.set_defaults(do=_export)
    _add_make(own, notebook=notebook)
    name = add_verb(own, "name", "give it a name, by which it can be found")
    name.add_argument("id", help="name, id, unique prefix, or current")
    name.add_argument("name", help="an empty text takes the name away")
    name.set_defaults(do=lambda args: environments.name_environment(args.id, args.name))


def _add_make(own: Any, *, notebook: bool) -> None:
    create = add_verb(own, "create", "keep the environment that files describe, or this one with a name")
    words = (
        "a folder, a Dockerfile, requirements or a lock file; current: what is installed here (default: this folder)"
    )
    create.add_argument("path", nargs="?", default=".", help=words)
    create.add_argument("--name", help="by which it can be found")
    create.add_argument("--python", metavar="VERSION", help="such as 3.12 (default: what the files say)")
    create.set_defaults(do=_create)
    build = add_verb(own, "build", "make it again: a virtual environment, or a Docker image")
    build.add_argument("id", nargs="?", default=environments.CURRENT, help=WHICH)
    build.add_argument("--docker", action="store_true", help="as a Docker image")
    build.add_argument("--base-image", metavar="IMAGE", help="what the image is built on (default: Renex.base_image)")
    build.add_argument("--allow-missing", action="store_true", help="leave out what cannot be had any more")
    _add_all(build)
    build.set_defaults(do=lambda args: _build(args, notebook=notebook))


def _add_all(parser: argparse.ArgumentParser) -> None:
    words = "every package, not only what was imported and what that needs"
    parser.add_argument("-a", "--all-packages", action="store_true", help=words)


def _list(args: argparse.Namespace) -> pd.DataFrame:
    if args.limit < 1:
        raise invalid_argument(f"-n {args.limit} lists nothing.", "Give a number from 1.")
    return environments.list_environments().head(args.limit)


def _export(args: argparse.Namespace) -> Text:
    return Text(environments.export_environment(args.id, args.format, all_packages=args.all_packages))


def _create(args: argparse.Namespace) -> Environment:
    if args.path != environments.CURRENT:
        return environments.create_environment(args.path, name=args.name, python=args.python)
    if args.python is not None:
        raise invalid_argument("the current environment has its Python.", "Leave --python out.")
    return environments.capture_environment(name=args.name)


def _build(args: argparse.Namespace, *, notebook: bool) -> Build:
    said: list[str] = []

    def tell(text: str) -> None:
        """Tell the progress where it is not taken for the answer."""
        said.append(text.rstrip())
        print(text, end="", file=sys.stderr, flush=True)

    kind = "docker" if args.docker or args.base_image else "venv"
    try:
        return environment_builds.build_environment(
            args.id,
            kind,
            all_packages=args.all_packages,
            allow_missing=args.allow_missing,
            base_image=args.base_image,
            echo=None if notebook else tell,
        )
    except RenexError as error:
        raise error if notebook or args.json else _without(said, error) from error


def _without(said: Collection[str], error: RenexError) -> RenexError:
    """Return an error that does not tell again what a tool said just before it, on the same terminal."""
    fact, *lines = error.message.splitlines()
    rest = [line for line in lines if line.rstrip() not in said]
    return RenexError(
        error.code, "\n".join([fact if rest or not lines else fact.removesuffix(":") + ".", *rest]), error.hint
    )
