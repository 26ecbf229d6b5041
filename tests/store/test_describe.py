from pathlib import Path

from renex_jupyter.store import tables
from renex_jupyter.store.describe import page

DOCS = Path(__file__).parents[2] / "docs" / "schema.md"


def test_the_documented_schema_is_the_one_in_force() -> None:
    assert DOCS.read_text() == page(), "run: python -m renex_jupyter.store.describe > docs/schema.md"


def test_every_public_table_is_documented() -> None:
    for statement in tables.schema().create_views:
        name = statement.split("create view ")[1].split()[0]
        assert f"\n## {name}\n" in page()
