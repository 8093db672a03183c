"""Dagster's own storage."""
