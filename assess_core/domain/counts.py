"""Counts in sentences: `1 row`, and not `1 rows`."""


def counted(number: int, one: str, many: str = "") -> str:
    """`1 row`, or `1,234 rows`. `many` is given where an s at the end is not the plural: `batches`, `rows are`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
