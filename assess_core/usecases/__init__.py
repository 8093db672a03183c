"""Sequences of effects over ports."""
