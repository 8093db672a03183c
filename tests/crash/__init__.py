"""Crash runs: processes of the product on one log, killed again and again; nothing may be lost, and no answer wrong."""
