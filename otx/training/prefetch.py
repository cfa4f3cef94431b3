"""Preparation of the coming steps' batches in a thread, while the device computes the present step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Prepared = TypeVar("Prepared")

AHEAD = 2
"""Number of items that are prepared before they are asked for."""


def prefetched(
    prepare: Callable[[Item], Prepared], items: Iterable[Item], *, ahead: int = AHEAD
) -> Generator[Prepared]:
    """Yield prepared items in their order; one thread prepares those that come next.

    Args:
        prepare: Prepares an item, without random numbers. It is called in the order of the items, never twice at once.
        items: The items.
        ahead: Number of items that are prepared before they are asked for.

    Yields:
        The prepared items. An exception of ``prepare`` is raised when its item's turn comes.

    Example:
        >>> list(prefetched(lambda number: number * 2, [1, 2, 3]))
        [2, 4, 6]
    """
    waiting: deque[Future[Prepared]] = deque()
    pool = ThreadPoolExecutor(1, thread_name_prefix="otx-batches")
    try:
        for item in items:
            waiting.append(pool.submit(prepare, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
