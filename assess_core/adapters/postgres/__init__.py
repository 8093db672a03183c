"""Names in PostgreSQL."""
