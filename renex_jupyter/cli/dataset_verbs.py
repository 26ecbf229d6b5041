"""`dataset ls|show|create|annotate|samples|diff|split|predict|predictions|edit|delete|export`: datasets and their versions."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from renex_jupyter.cli.dataset_export_verb import add_export
from renex_jupyter.cli.parsing import Parser, add_verb
from renex_jupyter.errors import invalid_argument
from renex_jupyter.records.datasets import TASKS
from renex_jupyter.session import dataset_changes, dataset_versions, datasets, predictions

if TYPE_CHECKING:
    import pandas as pd

    from renex_jupyter.records.datasets import Dataset, DatasetVersion, PredictionSet

DATASET_VERBS = ("dataset",)
REF = "adult (its newest version), adult:3, vision/adult:3, an id or the beginning of one"
NAME = "the name of a dataset, or vision/digits with its namespace"
ROLES = ("key", "target", "text", "image", "split", "time")


def add_dataset_verbs(verbs: Any) -> None:
    """Add `dataset` with its own verbs."""
    dataset = add_verb(verbs, "dataset", "datasets: their versions, samples, splits, and what was predicted on them")
    dataset.set_defaults(do=_list, dataset=None, namespace=None, archived=False)
    own = dataset.add_subparsers(dest="dataset_verb", metavar="VERB", parser_class=Parser)
    listing = add_verb(own, "ls", "list datasets, or the versions of one, newest first", aliases=["list"])
    listing.add_argument("dataset", nargs="?", help=NAME)
    listing.add_argument("--namespace", help="only datasets of this one")
    listing.add_argument("--archived", action="store_true", help="also archived datasets")
    listing.set_defaults(do=_list)
    show = add_verb(own, "show", "show the newest version of a dataset, or another one")
    show.add_argument("ref", help=REF)
    show.set_defaults(do=lambda args: dataset_versions.get_dataset_version(args.ref))
    _add_create(own)
    _add_looks(own)
    _add_predictions(own)
    _add_edits(own)
    add_export(own)


def _add_create(own: Any) -> None:
    create = add_verb(own, "create", "keep files as a dataset, or as its next version")
    create.add_argument("name", help=NAME)
    create.add_argument("paths", nargs="*", metavar="PATH", help="CSV, Parquet or JSONL files, or a folder of images")
    for role in ROLES:
        create.add_argument(f"--{role}", metavar="COLUMN")
    create.add_argument("--embedding", action="append", metavar="COLUMN", help="may repeat")
    create.add_argument("--annotations", metavar="PATH", help="a table of boxes, spans, labels, ...")
    create.add_argument("--format", help="(default: what the names of the files say)")
    create.add_argument("--task", choices=TASKS)
    for name in ("description", "owner", "namespace"):
        create.add_argument(f"--{name}")
    create.add_argument("-m", "--message", help="of the version")
    create.set_defaults(do=_create)
    annotate = add_verb(own, "annotate", "make a version with more annotations")
    annotate.add_argument("ref", help=REF)
    annotate.add_argument(
        "path", metavar="PATH", help="CSV, Parquet or JSONL with a key and what is said of the sample"
    )
    annotate.add_argument("--annotator", help="who made those that name nobody")
    annotate.add_argument("--key", metavar="COLUMN", help="(default: _key, or the dataset's own)")
    annotate.add_argument("-m", "--message", help="of the version")
    annotate.set_defaults(do=_annotate)
    split = add_verb(own, "split", "make a version in which a column says the part of each sample")
    split.add_argument("ref", help=REF)
    split.add_argument("parts", nargs="+", metavar="NAME=SHARE", help="such as train=0.8 test=0.2")
    split.add_argument("--seed", type=int, default=0)
    split.add_argument("--stratify", metavar="COLUMN", help="its values are alike in each part")
    split.add_argument("--group", metavar="COLUMN", help="samples of one value go into one part")
    split.add_argument("--column", default="split", help="the new one (default split)")
    split.set_defaults(do=_split)


def _add_looks(own: Any) -> None:
    samples = add_verb(own, "samples", "list samples of a version")
    samples.add_argument("ref", help=REF)
    samples.add_argument("-w", "--where", metavar="PREDICATE", help="such as \"age >= 30 and sex = 'F'\"")
    samples.add_argument("-n", "--limit", type=int, default=20, help="at most this many (default 20)")
    samples.set_defaults(do=lambda args: dataset_versions.dataset_samples(args.ref, where=args.where, limit=args.limit))
    compare = add_verb(own, "diff", "what differs between two versions")
    compare.add_argument("a", help=REF)
    compare.add_argument("b", help=REF)
    compare.set_defaults(do=lambda args: dataset_versions.diff_datasets(args.a, args.b))


def _add_predictions(own: Any) -> None:
    predict = add_verb(own, "predict", "keep a table of predictions on a version")
    predict.add_argument("ref", help=REF)
    predict.add_argument("path", metavar="PATH", help="CSV, Parquet or JSONL with a key and what was predicted")
    predict.add_argument("--model", help="the version that predicted, such as digits:3")
    predict.add_argument("--key", metavar="COLUMN", help="(default: _key, or the dataset's own)")
    predict.add_argument("--name", help="under which they are found again")
    predict.set_defaults(do=_predict)
    listing = add_verb(own, "predictions", "list sets of predictions, the newest first")
    listing.add_argument("ref", nargs="?", help=REF)
    listing.add_argument("--model", help="a model, or a version of one")
    listing.set_defaults(do=lambda args: predictions.list_predictions(args.ref, model=args.model))


def _add_edits(own: Any) -> None:
    edit = add_verb(own, "edit", "change what is said of a dataset, rename or move it")
    edit.add_argument("name", help=NAME)
    edit.add_argument("--name", dest="new_name", help="the new one")
    for name in ("namespace", "description", "owner"):
        edit.add_argument(f"--{name}")
    edit.add_argument("--task", choices=TASKS)
    edit.add_argument("--archive", dest="archived", action=argparse.BooleanOptionalAction)
    edit.add_argument("--star", dest="starred", action=argparse.BooleanOptionalAction)
    edit.set_defaults(do=_edit)
    delete = add_verb(own, "delete", "delete a dataset")
    delete.add_argument("name", help=NAME)
    delete.add_argument("--versions", action="store_true", help="with its versions and all that is of these")
    delete.set_defaults(do=lambda args: datasets.delete_dataset(args.name, versions=args.versions))


def _list(args: argparse.Namespace) -> pd.DataFrame:
    if args.dataset is not None:
        return dataset_versions.list_dataset_versions(args.dataset, args.namespace)
    return datasets.list_datasets(args.namespace, archived=args.archived)


def _create(args: argparse.Namespace) -> Dataset | DatasetVersion:
    names = (*ROLES, "annotations", "format", "task", "description", "owner", "namespace", "message")
    data = None if not args.paths else args.paths[0] if len(args.paths) == 1 else args.paths
    return datasets.create_dataset(
        args.name, data, embeddings=args.embedding or (), **{name: getattr(args, name) for name in names}
    )


def _annotate(args: argparse.Namespace) -> DatasetVersion:
    return dataset_changes.log_annotations(
        args.ref, args.path, annotator=args.annotator, key=args.key, message=args.message
    )


def _split(args: argparse.Namespace) -> DatasetVersion:
    parts: dict[str, float] = {}
    for each in args.parts:
        name, _, share = each.partition("=")
        try:
            parts[name] = float(share)
        except ValueError:
            raise invalid_argument(f"'{each}' is no part.", "Write train=0.8 test=0.2.") from None
    return dataset_changes.split_dataset(
        args.ref, parts, seed=args.seed, stratify=args.stratify, group=args.group, column=args.column
    )


def _predict(args: argparse.Namespace) -> PredictionSet:
    return predictions.log_predictions(args.ref, args.path, model=args.model, key=args.key, name=args.name)


def _edit(args: argparse.Namespace) -> Dataset:
    names = ("namespace", "description", "owner", "task", "archived", "starred")
    return datasets.update_dataset(args.name, name=args.new_name, **{name: getattr(args, name) for name in names})
