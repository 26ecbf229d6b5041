"""A Plotly figure that costs a few kilobytes: the page's own Plotly draws it."""

from __future__ import annotations

from pathlib import Path

import anywidget
from traitlets import Bool, Dict, List, Unicode

_HERE = Path(__file__).parent


class Plot(anywidget.AnyWidget):
    """Hands a figure (a dict of data and layout) to the renderer that JupyterLab has for Plotly's MIME type.

    Where the page has no such renderer (VS Code, Colab), the last values are shown as a table. A click on a point
    comes back as a custom message `{"event": "click", "x", "y", "trace"}`. Text in the figure must be escaped by who
    makes it (`figures.escaped`), because Plotly reads tags in it.
    """

    _esm = _HERE / "plot.js"
    _css = _HERE / "plot.css"

    figure = Dict(help="{data, layout}; empty for no plot.").tag(sync=True)
    notice = Unicode("", help="A line above the plot.").tag(sync=True)
    label = Unicode("Plot", help="Read out by screen readers.").tag(sync=True)
    choices = List(Unicode(), help="Parts of the data to choose from; shown from two on.").tag(sync=True)
    choice = Unicode("").tag(sync=True)
    about = Unicode("Metrics shown", help="What is chosen, for screen readers.").tag(sync=True)
    log_scale = Bool(False).tag(sync=True)
    log_choice = Bool(True, help="Whether the reader can choose the scale.").tag(sync=True)
    title = Unicode("", help="With one the plot folds; set it before the first view.").tag(sync=True)
    opened = Bool(False, help="Whether a folding plot is open.").tag(sync=True)
