"""Slices of a table whose rows err more than the rest: an exact search, level by level, in DuckDB."""
