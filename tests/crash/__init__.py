"""Crash runs: processes work on one log and are killed; nothing may be lost, and no answer may be wrong."""
