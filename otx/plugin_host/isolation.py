"""Running code that is not ours: what it prints goes to stderr, and it may not take for ever."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

PATIENCE = 5.0
"""Seconds after which a plugin that does not come back is given up."""


class OutOfPatience(BaseException):
    """Raised into a plugin that takes too long. No Exception, so that the plugin does not swallow it by habit."""


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Send what is printed to stderr, and interrupt after ``PATIENCE`` seconds without progress.

    Progress is a module imported: a plugin may import torch from a cold disk, and that takes as long as it takes.
    The clock is SIGALRM, which needs the main thread of a POSIX process and reaches Python code, sleeping and most
    waiting for input or output, but not a loop in C; anywhere else there is no clock. A thread could not be stopped,
    and one left behind in an import would hold that import's lock.
    """
    with contextlib.redirect_stdout(sys.stderr), _clock(PATIENCE):
        yield


@contextlib.contextmanager
def _clock(seconds: float) -> Iterator[None]:
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer"):
        yield
        return

    modules = len(sys.modules)

    def ring(number: int, frame: FrameType | None) -> None:
        nonlocal modules
        if len(sys.modules) > modules:
            modules = len(sys.modules)
            signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
            return
        raise OutOfPatience(f"it did not come back within {seconds:g} seconds")

    handler = signal.signal(signal.SIGALRM, ring)
    # Again every second, for a plugin that swallows everything.
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    began = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            rest = max(left - (time.monotonic() - began), 0.001)
            signal.setitimer(signal.ITIMER_REAL, rest, interval)
