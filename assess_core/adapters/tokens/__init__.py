"""Verifies JSON Web Tokens."""
