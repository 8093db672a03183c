"""Rows as Arrow batches."""
