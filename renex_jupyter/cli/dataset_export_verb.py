"""The verb `dataset export`."""

from __future__ import annotations

import argparse
from typing import Any

from renex_jupyter.cli.environment_verbs import Text
from renex_jupyter.cli.parsing import add_verb
from renex_jupyter.session import dataset_exports


def add_export(own: Any) -> None:
    """Add `export` to the verbs of `dataset`."""
    give = add_verb(own, "export", "write a dataset version as files for other programs, and print their path")
    give.add_argument("dataset", help="name (its newest version), NAME:VERSION, id or the beginning of it")
    give.add_argument("path", metavar="PATH", help="a new file, or a new folder")
    give.add_argument("-f", "--format", choices=dataset_exports.ALL, help="(default: what the name of the file says)")
    give.add_argument("-w", "--where", metavar="PREDICATE", help="which samples, such as \"split = 'test'\"")
    give.add_argument("--no-images", action="store_true", help="only what is said of the images")
    give.add_argument("--force", action="store_true", help="replace a file that is there")
    give.set_defaults(do=_export)


def _export(args: argparse.Namespace) -> Text:
    made = dataset_exports.export_dataset(
        args.dataset, args.path, format=args.format, where=args.where, images=not args.no_images, force=args.force
    )
    return Text(str(made))
