"""The part that runs inside the Jupyter server."""

from jupyter_server.serverapp import ServerApp
from jupyter_server.utils import url_path_join

from renex_jupyter.server.health import HealthHandler

__all__ = ["load"]


def load(server_app: ServerApp) -> None:
    """Add our endpoints to a running server."""
    web_app = server_app.web_app
    base_url = web_app.settings["base_url"]
    routes = [(url_path_join(base_url, "renex-jupyter", "health"), HealthHandler)]
    web_app.add_handlers(".*$", routes)  # type: ignore[no-untyped-call]
