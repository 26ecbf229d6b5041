"""Programs that run without this package, also in environments that do not have it: only Python's library is needed."""
