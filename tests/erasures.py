"""Orders to erase learners, for tests."""

from collections.abc import Callable, Iterable
from typing import Final

from assess_core.domain.erasing import Order, orders
from assess_core.ports.hot_store import HotStore

KEY: Final = "ab" * 32
OLD_KEY: Final = "cd" * 32


class Ring:
    """A ring of keys in memory."""

    def __init__(self, *keys: str) -> None:
        self.keys = keys

    def all(self) -> tuple[str, ...]:
        return self.keys

    def create(self) -> tuple[str, ...]:
        self.keys = self.keys or (KEY,)
        return self.keys


RING: Final = Ring(KEY)


def order_to_erase(hot: HotStore, *user_ids: str, key: str = KEY) -> None:
    """Bring orders into force, without erasing anything."""
    hot.register.add(orders(key, user_ids, Order("a director", "asked for it", 0)))


def at_write(number: int, call: Callable[[], None]) -> Callable[[], None]:
    """A callback of `MemoryHot` that calls once before its write of this number, from 1."""
    writes = 0

    def count() -> None:
        nonlocal writes
        writes += 1
        if writes == number:
            call()

    return count


def users(rows: Iterable[tuple[str, object]]) -> list[str]:
    """The learners of `HotStore.all_learners`."""
    return [user_id for user_id, _ in rows]
