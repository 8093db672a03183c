"""`python -m assess_cli` is `assess`."""

from assess_cli import main

if __name__ == "__main__":
    main(prog_name="assess")
