"""Items prepared ahead in a thread: order, faults at their turn, and an early end."""

from __future__ import annotations

import threading

import pytest

from otx.training.prefetch import prefetched


def test_items_come_in_order_and_from_another_thread() -> None:
    threads = set()

    def prepare(number: int) -> int:
        threads.add(threading.current_thread())
        return number * number

    assert list(prefetched(prepare, range(7))) == [n * n for n in range(7)]
    assert len(threads) == 1 and threading.current_thread() not in threads


def test_a_fault_is_raised_at_its_turn() -> None:
    def prepare(number: int) -> int:
        return 6 // (3 - number)

    items = prefetched(prepare, range(9))
    assert [next(items) for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(items)


def test_an_early_end_leaves_the_rest_unprepared() -> None:
    seen: list[int] = []
    items = prefetched(seen.append, range(1000), ahead=2)
    next(items)
    items.close()
    assert seen[:1] == [0] and len(seen) <= 4
    assert not [t for t in threading.enumerate() if t.name.startswith("otx-batches")]
