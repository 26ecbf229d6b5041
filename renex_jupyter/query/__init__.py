"""One question is one function is one SQL."""
