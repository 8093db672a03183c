"""The reports, one module each: its columns, its SQL over the picked attempts, and its order."""
