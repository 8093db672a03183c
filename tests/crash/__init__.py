"""Crash runs: processes work on one log and are killed. Nothing may be lost, and no result may be wrong."""
