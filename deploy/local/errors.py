"""The error of the servers."""


class CannotServe(Exception):
    """A server cannot be downloaded, started or reached; the message gives the next step."""
