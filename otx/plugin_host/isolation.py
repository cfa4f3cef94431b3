"""Guard for code of plugins: its output goes to stderr, and it is interrupted if it takes too long."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

PATIENCE = 5.0
"""Seconds without progress after which a plugin is interrupted."""


class OutOfPatience(BaseException):
    """Raised into a plugin that takes too long. Not an Exception, so that a plugin does not swallow it by habit."""


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Send the body's output to stderr, and interrupt it after ``PATIENCE`` seconds without progress.

    Progress is the import of a module: a plugin may import torch from a cold disk, which may take long. The clock is
    SIGALRM. It needs the main thread of a POSIX process, and interrupts Python code, sleep and most waiting for input
    or output, but not a loop in C; elsewhere there is no clock. A thread could not be stopped, and one that is left
    behind in an import would hold that import's lock.

    Raises:
        OutOfPatience: Into the body.
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
        raise OutOfPatience(f"it did not return within {seconds:g} seconds")

    handler = signal.signal(signal.SIGALRM, ring)
    # Repeated every second, for a plugin that swallows everything.
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
