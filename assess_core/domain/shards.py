"""The shard of a slice that contains a learner's rows."""

import hashlib


def shard_of(user_id: str, shards: int) -> int:
    """The first 4 bytes of SHA-256 of the learner's id, modulo the number of shards."""
    return int.from_bytes(hashlib.sha256(user_id.encode()).digest()[:4]) % shards
