"""Ids of requests and messages."""

import os
from random import Random
from typing import Final

_random: Final = Random()  # seeded by the system
os.register_at_fork(after_in_child=_random.seed)  # or parent and child would make the same ids


def new_id() -> str:
    """A random id, written like a UUID of version 4. It identifies a message and is no secret.

    `uuid4` asks the system each time, and lets another thread run meanwhile: three ids took 5 % of a read.
    """
    number = _random.getrandbits(128)
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[number & 3]}{digits[17:20]}-{digits[20:]}"
