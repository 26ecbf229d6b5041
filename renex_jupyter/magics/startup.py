"""Installed as IPython startup file: the magics are there in every kernel, and nothing is imported before the first use.

The spec is the extension's name, not a class, because every IPython 9 can load that lazily.
"""


def _renex_autoload() -> None:
    """Declare the magics, unless RENEX_AUTOLOAD=0; a kernel must start, whatever is installed beside us."""
    try:
        import os

        from IPython import get_ipython

        shell = get_ipython()
        if shell is not None and os.environ.get("RENEX_AUTOLOAD") != "0":
            for name in ("snapshot", "task", "rxsql", "renex"):
                shell.magics_manager.register_lazy(name, "renex_jupyter")
    except Exception:  # noqa: BLE001, S110
        pass


_renex_autoload()
del _renex_autoload  # this runs in the user's namespace
