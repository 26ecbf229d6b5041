"""A state that a real kernel recorded comes back and runs again to the same numbers."""

from __future__ import annotations

from pathlib import Path

import nbformat
from kernels import Start
from nbclient import NotebookClient

import renex_jupyter as rx
from renex_jupyter.store.store import Store

CELLS = (
    "%load_ext renex_jupyter\nimport renex_jupyter as rx, data",
    "value = sum(x ** 0.5 for x in data.numbers())",
    "run = rx.start_run('train')\nrx.log_metric('total', value)\nrx.end_run()",
)


def notebook(path: Path, cells: tuple[str, ...]) -> None:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    nbformat.write(made, path)


def total(store: Path) -> float:
    """Return the one value that was logged."""
    (row,) = Store(store).reader.rows("select value from metrics where key = 'total'")
    return float(row["value"])


def test_a_notebook_that_is_checked_out_runs_to_the_same_metrics(project: Path, start: Start) -> None:
    (project / "numbers.txt").write_text("\n".join(str(i * 0.37) for i in range(1000)))
    (project / "data.py").write_text("def numbers():\n    return map(float, open('numbers.txt'))\n")
    notebook(project / "n.ipynb", CELLS)
    kernel = start()
    for cell in (f"__vsc_ipynb_file__ = {str(project / 'n.ipynb')!r}", *CELLS, "_ = %snapshot --label done"):
        reply = kernel.run(cell)
        assert reply["status"] == "ok", reply
    kernel.manager.shutdown_kernel()
    (project / "numbers.txt").write_text("1")
    back = Path(rx.checkout("done", to=project.parent / "back").path)
    again = nbformat.read(back / "n.ipynb", 4)
    NotebookClient(again, timeout=120, resources={"metadata": {"path": str(back)}}).execute()
    assert total(back / ".renex") == total(project / ".renex")


def test_a_checkout_in_place_from_the_notebook_says_what_to_do(project: Path, start: Start) -> None:
    (project / "numbers.txt").write_text("1\n4")
    (project / "data.py").write_text("def numbers():\n    return map(float, open('numbers.txt'))\n")
    notebook(project / "n.ipynb", CELLS)
    kernel = start()
    begin = f"__vsc_ipynb_file__ = {str(project / 'n.ipynb')!r}"
    for cell in (begin, *CELLS, "_ = %snapshot --label done"):
        reply = kernel.run(cell)
        assert reply["status"] == "ok", reply
    notebook(project / "n.ipynb", (*CELLS, "%renex checkout done --in-place"))
    (project / "numbers.txt").write_text("9")
    was = (project / "n.ipynb").read_bytes()
    refused = kernel.run("rx.checkout('done', in_place=True)")
    assert (refused["ename"], "n.ipynb is open" in str(refused["evalue"])) == ("RenexError", True)
    assert (project / "numbers.txt").read_text() == "9"
    assert kernel.run("done = %renex checkout done --in-place --force")["status"] == "ok"
    assert kernel.run("assert 'reload n.ipynb' in str(done), done")["status"] == "ok"
    assert (project / "numbers.txt").read_text() == "1\n4"
    assert [cell["source"] for cell in nbformat.read(project / "n.ipynb", 4)["cells"]] == list(CELLS)
    assert kernel.run("_ = rx.checkout(done.safety_id, in_place=True, force=True)")["status"] == "ok"
    assert (project / "n.ipynb").read_bytes() == was
