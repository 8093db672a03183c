"""Our speed beside the limit of the machine, measured in the same run: `python -m benchmarks`."""
