"""A thread by which the processes of a run notice that one of them was killed or hangs, whatever the others wait for.

Every process counts up a number in the store that all of them share. The first process watches all numbers, the others
watch the first process's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed import Store  # type: ignore[attr-defined]

BEAT_SECONDS = 1.0
"""Time from one beat of a process to the next."""
SILENT_SECONDS = 15.0
"""Time without a beat after which a process is lost. With 30 s of torchrun to end a stopped process, under a minute."""
GRACE_SECONDS = 3.0
"""Time in which the main thread may notice the loss by itself, and end in order."""
_FAILURES = "failures"


class Heartbeat(threading.Thread):
    """Beats for this process, and watches the others.

    Args:
        store: A connection to the store that this thread alone uses.
        rank: Number of this process.
        count: Number of processes.
        lost: Called if a process fell silent or failed; it ends this process.

    Attributes:
        silent: Rank of the first process that fell silent; None while all beat.
    """

    def __init__(self, store: Store, rank: int, count: int, lost: Callable[[], None]) -> None:
        super().__init__(name="otx-heartbeat", daemon=True)
        self._store, self._rank, self._lost = store, rank, lost
        self._watched = range(1, count) if rank == 0 else range(1)
        self._stopped, self._released = threading.Event(), threading.Event()
        self.silent: int | None = None
        store.set(beat_key(rank), "0")

    def stop(self) -> None:
        """Stop beating and watching."""
        self._stopped.set()

    def release(self) -> None:
        """Call ``lost`` no more, and beat on: this process needs none of the others from here on."""
        self._released.set()

    def run(self) -> None:
        """Beat and watch until ``stop`` is called or a process is lost."""
        beats = 0
        seen = {rank: (b"", time.monotonic()) for rank in self._watched}
        while not self._stopped.wait(BEAT_SECONDS):
            beats += 1
            try:
                self._store.set(beat_key(self._rank), str(beats))
                failed = self._store.check([_FAILURES])
                self._look(seen)
            except RuntimeError:
                # The store is where the first process is.
                self.silent, failed = 0, False
            if (failed or self.silent is not None) and not self._released.is_set():
                if self._stopped.wait(GRACE_SECONDS):
                    return
                if not self._released.is_set():
                    self._lost()
                    return

    def _look(self, seen: dict[int, tuple[bytes, float]]) -> None:
        beats = self._store.multi_get([beat_key(rank) for rank in seen])
        now = time.monotonic()
        for rank, beat in zip(list(seen), beats, strict=True):
            if beat != seen[rank][0]:
                seen[rank] = beat, now
        silent = [rank for rank, (_, since) in seen.items() if now - since > SILENT_SECONDS]
        self.silent = silent[0] if silent else None


def beat_key(rank: int) -> str:
    """Return the key of a process's number in the store.

    Args:
        rank: Number of the process.
    """
    return f"beat/{rank}"
