"""What we reach beside what is possible, in the same run: `python -m benchmarks`."""
