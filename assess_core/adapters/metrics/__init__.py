"""Metrics: the numbers of a process, the numbers that processes share, and their text for Prometheus."""
