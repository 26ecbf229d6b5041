"""A text of several lines is found as it stands in notebooks, indented, quoted, and with other line ends."""

import json

import pytest

from renex_jupyter.store.keeping.doomed import Doomed

SECRET = '-- BEGIN "key" --\n\n  MIIE\\body\n-- END --\n'
SAID = SECRET.strip().splitlines()
NOTEBOOK = {"cells": [{"source": [f'key = """{SAID[0]}\n', "\n", *(f"{line}\n" for line in SAID[2:])]}]}


@pytest.mark.parametrize(
    "text",
    [
        f"key = '''{SECRET}'''",
        json.dumps(NOTEBOOK, indent=1),
        json.dumps(NOTEBOOK, indent=4),
        json.dumps(NOTEBOOK),
        json.dumps({"in a notebook": json.dumps(SECRET)}),
        SECRET.replace("\n", "\r\n"),
        "".join(f"        # {line}\n" for line in SECRET.splitlines()),
        "key = (\n" + "".join(f"    {line!r}\n" for line in SECRET.splitlines()) + ")",
    ],
)
@pytest.mark.parametrize("size", [7, 50, 10_000])
def test_it_is_found(text: str, size: int) -> None:
    data = b"\n" * 20_000 + text.encode() + b"\n" * 20_000
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    assert Doomed(secret=SECRET).sought.stands_in(chunks)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(reversed(SAID)),
        "\n".join(f"{line} and so on" for line in SAID),
        "\n".join(SAID[:-1]),
        "\n".join(f"{line}{' ' * 200}" for line in SAID),
        " ".join(SAID),
        "".join(SAID),
        json.dumps(SAID),
    ],
)
def test_lines_that_do_not_follow_each_other_are_something_else(text: str) -> None:
    assert not Doomed(secret=SECRET).sought.stands_in([text.encode()])


def test_a_text_of_one_line_has_no_lines() -> None:
    assert Doomed(secret="hunter2").sought.lines == ()
