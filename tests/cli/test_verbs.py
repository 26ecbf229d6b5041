"""Every verb is where it is looked for: in the completion of a notebook, and on the page on the terminal."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from renex_jupyter.cli.verbs import ONE, VERBS, parser_for

PAGE = (Path(__file__).parents[2] / "docs" / "terminal.md").read_text()


def verbs(*, notebook: bool) -> set[str]:
    parser = parser_for("renex", notebook=notebook)
    return set(next(each.choices for each in parser._actions if isinstance(each, argparse._SubParsersAction)))


def rows_after(words: str) -> list[str]:
    """Return the rows of the first table after some words."""
    return re.split(r"\n\n(?!\|)", PAGE.partition(words)[2].partition("|---|---|\n")[2])[0].splitlines()


def test_a_notebook_completes_every_verb_that_it_has() -> None:
    assert set(VERBS) == verbs(notebook=True)


def test_the_page_names_every_verb_and_no_other() -> None:
    named = {verb for row in rows_after("## The verbs") for verb in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert named | {"list"} == verbs(notebook=False)  # `list` is `ls`


def test_the_page_says_of_which_verbs_the_exit_status_can_be_1() -> None:
    told = {row.split("`")[1] for row in rows_after("| verb | has exit status 1 when |")}
    assert told == set(ONE) <= verbs(notebook=False)


def test_the_page_links_to_pages_that_there_are() -> None:
    assert all((Path(__file__).parents[2] / "docs" / name).is_file() for name in re.findall(r"\]\((\w+\.md)", PAGE))
