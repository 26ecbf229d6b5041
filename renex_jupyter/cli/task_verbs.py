"""The verbs that run, watch and stop tasks: task, stop, attach, logs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from renex_jupyter.cli.parsing import add_verb
from renex_jupyter.errors import invalid_argument
from renex_jupyter.records.cards import Rows, html, pretty, text
from renex_jupyter.records.display import printable
from renex_jupyter.records.runs import Run
from renex_jupyter.session import attaching, found_runs, tasks
from renex_jupyter.session.commands import show

STARTING = frozenset({"task", "lab", "notebook"})  # verbs that hand words over to what they start
USAGE = "renex task NAME [key=value ...] [options] -- command"


def add_task_verbs(verbs: Any, *, notebook: bool) -> None:
    """Add the verbs; a notebook has `%task` for the first."""
    if not notebook:
        run = add_verb(verbs, "task", "run a command as a run")
        run.usage = USAGE
        run.add_argument("words", nargs="*", metavar="NAME [key=value ...]", help="the task's name, and params")
        add_limits(run)
        run.set_defaults(do=_task)
    end = add_verb(verbs, "stop", "stop a run that is running, politely")
    end.add_argument("id", help="id, unique prefix or name of a run")
    end.set_defaults(do=lambda args: attaching.stop(args.id))
    watch = add_verb(verbs, "attach", "show what a running run prints, until it ends; Ctrl-C leaves it running")
    watch.add_argument("id", help="id, unique prefix or name of a run")
    watch.set_defaults(do=lambda args: attaching.attach(args.id, echo=_to_stderr if args.json else _write))
    logs = add_verb(verbs, "logs", "show what a run has printed")
    logs.add_argument("id", help="id, unique prefix or name of a run")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    logs.set_defaults(do=_logs)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a command runs, and what it may use."""
    parser.add_argument("--docker", nargs="?", const="", metavar="IMAGE", help="run it in a container of this image")
    parser.add_argument("--env", metavar="ENVIRONMENT", help="run it in this kept environment")
    parser.add_argument("--cwd", metavar="FOLDER", help="folder to run in (default: the project's)")
    parser.add_argument("--timeout", metavar="SECONDS", help="stop it after so long: it has failed then")
    parser.add_argument("--memory", metavar="SIZE", help="kill it above so much memory, such as 4g")
    parser.add_argument("--gpus", metavar="N", help="how many GPUs it sees, or which, such as 0,2; 0: none")
    parser.add_argument("--detach", action="store_true", help="return while it runs")
    parser.add_argument("--parse-stdout", action="store_true", help="keep printed lines like 'loss: 0.3' as metrics")


def with_command(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the words at the first `--` into what is ours and, for a verb that starts something, its own."""
    if "--" not in words or not STARTING.intersection(words[: words.index("--")]):
        return list(words), []
    at = words.index("--")
    return list(words[:at]), list(words[at + 1 :])


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a command, for whoever called it from a script: its failure is the exit status 1."""

    run: Run

    @property
    def ok(self) -> bool:
        """Whether it has not failed."""
        return self.run.status in ("finished", "running")

    def as_dict(self) -> Run:
        """Return the run, which JSON shows."""
        return self.run

    @property
    def title(self) -> str:
        return self.run.title

    def rows(self) -> Rows:
        return self.run.rows()

    __str__, _repr_pretty_, _repr_html_ = text, pretty, html


def _task(args: argparse.Namespace) -> Ended:
    titles = [word for word in args.words if "=" not in word]
    if len(titles) != 1 or not args.command:
        what = "there is no command" if len(titles) == 1 else f"a task takes one name, here are {len(titles)}"
        raise invalid_argument(f"{what}.", f"Usage: {USAGE}")
    run = tasks.run_task(
        args.command,
        name=titles[0],
        params=_params([word for word in args.words if "=" in word]),
        cwd=args.cwd,
        echo=_to_stderr if args.json else _to_stdout,
        executor=None if args.docker is None else "container",
        image=args.docker or None,
        environment=args.env,
        timeout=args.timeout,
        memory=args.memory,
        gpus=args.gpus,
        detach=args.detach,
        parse_stdout=args.parse_stdout,
    )
    return Ended(run)


def _params(words: list[str]) -> Mapping[str, Any]:
    from renex_jupyter.capture.values import read_values

    return {key: value for word in words for key, value in read_values(word, {}).items()}


def _logs(args: argparse.Namespace) -> dict[str, str] | None:
    """Write the output; as JSON it is the answer."""
    if args.follow and found_runs.get_run(args.id).status == "running":
        attaching.attach(args.id, echo=_to_stderr if args.json else _write)
    elif not args.json:
        _write(attaching.run_output(args.id))
    return {"output": attaching.run_output(args.id)} if args.json else None


def _write(text: str) -> None:
    sys.stdout.write(printable(text, keep="\n\t\r"))
    sys.stdout.flush()


def _to_stdout(text: str) -> None:
    """Show what a run prints; when whoever reads it goes, as `head` does, the run goes on."""
    try:
        show(text)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _to_stderr(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
