"""Pure functions over tables and records."""
