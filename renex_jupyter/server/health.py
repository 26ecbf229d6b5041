"""Which renex_jupyter, in which environment, the server runs."""

import json
import sys
from importlib.metadata import version

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web


class HealthHandler(APIHandler):
    auth_resource = "renex"

    @web.authenticated
    @authorized
    def get(self) -> None:
        self.finish(json.dumps({"version": version("renex_jupyter"), "python": sys.executable}))
