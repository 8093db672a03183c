"""The hot store in a SQLite file."""
