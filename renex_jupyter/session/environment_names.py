"""Names of environments: each is that of one, and an environment has one."""

from __future__ import annotations

from dataclasses import replace

from renex_jupyter.errors import RenexError, invalid_argument, text_argument
from renex_jupyter.ids import short
from renex_jupyter.query import environments as query
from renex_jupyter.records.changes import Change
from renex_jupyter.records.environments import Environment
from renex_jupyter.session.alone import alone
from renex_jupyter.store.store import Store

RESERVED = ("current", "fresh")  # what no environment can be called, since it means something of its own


def named(store: Store, made: Environment, name: str | None, *, rename: bool = False) -> Environment:
    """Return an environment with a name of its own; None: with the one that it has, which is taken away by `rename` only.

    Raises
    ------
    RenexError : `conflict`, `invalid_argument`, `locked`.
    """
    with alone(store):
        had = query.get_environment(store.reader, made.environment_id).name
        if name is None or name == (had or ""):
            return replace(made, name=had)
        _check_name(store, made, name)
        if had and not rename:
            hint = (
                f"The same content is one environment: use '{had}', or rename it: name_environment({had!r}, {name!r})."
            )
            fact = f"environment {short(made.environment_id)} is called '{had}' already, not '{name}'."
            raise RenexError("conflict", fact, hint)
        before, after = {"name": had}, {"name": name or None}
        store.write(Change("environments", made.environment_id, "update", after, before))
    return replace(made, name=name or None)


def _check_name(store: Store, made: Environment, name: str) -> None:
    text_argument(name, "the name of an environment", "Use a text.")
    if name != name.strip() or not name.isprintable() or name in RESERVED:
        raise invalid_argument(f"an environment cannot be called {name!r}.", "Use a word, such as 'training'.")
    holder = query.holder_of(store.reader, name) if name else None
    if holder and holder != made.environment_id:
        hint = f"Take another name, or take it from that one: name_environment('{short(holder)}', '')."
        raise RenexError("conflict", f"environment {short(holder)} is called '{name}' already.", hint)
