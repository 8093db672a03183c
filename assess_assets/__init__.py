"""Dagster: what runs when, and what depends on what."""
