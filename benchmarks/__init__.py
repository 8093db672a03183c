"""Our speed beside the limit of the machine, in the same run: `python -m benchmarks`."""
