"""XML of strangers: a tree of elements, and nothing that the text could have a parser do.

Entities are what makes XML dangerous: they grow to gigabytes, or read files and addresses. They need a DOCTYPE, so that
one is refused before anything of it is looked at.

References
----------
https://docs.python.org/3/library/xml.html#xml-security
"""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from renex_jupyter.errors import invalid_argument

LARGEST = 2**24  # bytes
DEEPEST = 40  # elements inside each other
HINT = "Annotations need no DOCTYPE and no entities. Take them out if you know where the file comes from."


def parse(data: bytes, name: str) -> Element:
    """Return the root element.

    Parameters
    ----------
    name : of the file, for messages.

    Raises
    ------
    RenexError : `invalid_argument` for what is no XML, too large or too deep, or has a DOCTYPE.
    """
    if len(data) > LARGEST:
        raise invalid_argument(f"{name} has {len(data):,} bytes of XML.", f"At most {LARGEST:,} are read.")
    builder, parser = TreeBuilder(), expat.ParserCreate()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise invalid_argument(f"{name}: more than {DEEPEST} elements inside each other.", "Look at the file.")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: Any) -> None:
        raise invalid_argument(f"{name}, line {parser.CurrentLineNumber}: a DOCTYPE is not read.", HINT)

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(data, True)
        return builder.close()
    except expat.ExpatError as error:
        raise invalid_argument(f"{name} is no XML: {error}.", "Look at the file.") from error
