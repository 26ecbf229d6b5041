"""`%rxsql` and `%renex`: the magics that ask, compare and bring back."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, needs_local_scope

from renex_jupyter.cli.verbs import compact, parser_for, run_verb, split
from renex_jupyter.errors import invalid_argument
from renex_jupyter.magics.arguments import passed_over_in_replays, plainly
from renex_jupyter.session.current import current
from renex_jupyter.session.sql import sql


@magics_class
class HistoryMagics(Magics):
    """Ask the history, compare states, bring one back."""

    @needs_local_scope
    @line_cell_magic
    @plainly
    @passed_over_in_replays()
    def rxsql(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Any:
        """Ask the history with DuckDB SQL; DataFrames of the notebook can be named beside the tables.

        Usage: `%rxsql [-o VAR] QUERY`, or `%%rxsql [-o VAR]` with the query in the cell.

        Examples::

            %rxsql select name, status, duration_s from runs order by started_at desc
            best = %rxsql select * from latest_metrics where key = 'accuracy' order by value desc limit 1

            %%rxsql -o losses
            select r.name, m.step, m.value from metrics m join runs r using (run_id) where m.key = 'loss'
        """
        variable, query = _variable_and_query(line, cell)
        frame = sql(query, frames={**current().names, **(local_ns or {})})
        if variable:
            current().names[variable] = frame
            print(f"{variable}: {len(frame)} rows, {len(frame.columns)} columns")
            return None
        return frame

    @line_magic
    @plainly
    @passed_over_in_replays()
    def renex(self, line: str) -> Any:
        """Everything else, by verb; `%renex VERB -h` shows what a verb takes.

        ::

            %renex status                    # where the store is, what it holds, what is recorded now
            %renex ls [runs|snapshots|...]   # newest first
            %renex show ID                   # a run or a snapshot, by id, prefix, name or label
            %renex diff                      # what changed since the last snapshot
            %renex diff A [B]                # two snapshots or runs; B is the present state where it is missing
            %renex edit ID -m TEXT -l LABEL  # the words of a snapshot; --hide takes it out of lists
            %renex delete ID [--yes]         # say what would go with a snapshot, or delete it
            %renex checkout ID [--to DIR]    # its notebook and files into a folder; --in-place: back into the project
            %renex panel                     # the side panel's view in this cell
            %renex doctor                    # check the installation
            %renex fsck                      # check the store; rebuild makes its index anew
            %renex gc [--yes]                # say which file contents nothing names any more, or free them
            %renex purge ID|--secret --yes   # take a run, a snapshot or a secret out for good
            %renex export FILE [RUN ...]     # everything, or some runs, into one file
            %renex import FILE               # what another store exported
        """
        words = split(line)
        result = run_verb(parser_for("%renex", notebook=True), words or ["status"])
        return compact(result) if hasattr(result, "columns") else result


def _variable_and_query(line: str, cell: str | None) -> tuple[str, str]:
    words = line.split(None, 2)
    variable = ""
    if words and words[0] in ("-o", "--out"):
        if len(words) < 2 or not words[1].isidentifier():
            raise invalid_argument("-o needs the name of a variable.", "Usage: %rxsql -o VAR QUERY")
        variable, line = words[1], words[2] if len(words) > 2 else ""
    query = line if cell is None else cell
    if cell is not None and line.strip():
        raise invalid_argument(f"'{line.strip()}' is not an option.", "With %%rxsql the query stands in the cell.")
    if not query.strip():
        raise invalid_argument("there is no query.", "Example: %rxsql select * from runs")
    return variable, query
