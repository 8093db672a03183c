"""What a user sees of an error that no code expected: a sentence, and a file with the details for those who mend it."""

import os
import tempfile
import traceback


def fault_of(error: Exception) -> str:
    """The sentence. It names the file with the stack trace, or ends with the trace if no file can be written."""
    trace = "".join(traceback.format_exception(error))
    kind = f"this program has a fault ({type(error).__name__})"
    try:
        descriptor, path = tempfile.mkstemp(prefix="assess-fault-", suffix=".txt")  # only its owner can read it
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(trace)
    except OSError:
        return f"{kind}; report it with these lines, which can contain personal data:\n{trace}"
    return f"{kind}; report it with the file {path}, which can contain personal data"
