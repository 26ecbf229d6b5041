"""The open store and the live run of this process, and every operation on them by noun."""
