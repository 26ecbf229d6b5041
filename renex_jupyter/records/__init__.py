"""What is kept, as frozen dataclasses without I/O. A field bears the name of its table column."""
