"""DuckDB: the union of both tiers, and the balance."""
