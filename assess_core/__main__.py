"""`python -m assess_core` is `assess`."""

from assess_core.cli import main

if __name__ == "__main__":
    main(prog_name="assess")
