"""What keeps the servers from running, as a sentence for a person."""


class CannotServe(Exception):
    """A server cannot be had, started or reached; the message says what to do."""
