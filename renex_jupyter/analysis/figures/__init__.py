"""Results as figures: plain dicts of data and layout, which any Plotly draws, in a cell and in the panel."""
