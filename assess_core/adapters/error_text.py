"""The text of a library's error."""


def first_line(error: BaseException) -> str:
    """The message of a library, without the hints and stacks below it."""
    return str(error).partition("\n")[0].strip()
