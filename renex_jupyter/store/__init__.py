"""The only code that touches DuckDB or the store's files: journal is the truth, DuckDB is the index."""
