"""The heartbeat notices a silent process and a failed one, and leaves the main thread time to end by itself."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from torch import distributed

from otx.training import heartbeat
from otx.training.heartbeat import Heartbeat, beat_key


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(heartbeat, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(heartbeat, "GRACE_SECONDS", 0.05)


@pytest.fixture
def store() -> Any:
    shared: Any = distributed.HashStore()  # type: ignore[attr-defined]
    for rank in range(3):
        shared.set(beat_key(rank), "0")
    return shared


@pytest.fixture
def beating(store: Any) -> Iterator[threading.Event]:
    """Let processes 1 and 2 beat until the event is set; then process 2 falls silent."""
    silent, ended = threading.Event(), threading.Event()

    def beat() -> None:
        count = 0
        while not ended.wait(0.01):
            count += 1
            for rank in (1,) if silent.is_set() else (1, 2):
                store.set(beat_key(rank), str(count))

    thread = threading.Thread(target=beat)
    thread.start()
    yield silent
    ended.set()
    thread.join()


def test_a_silent_process_is_noticed(store: Any, beating: threading.Event) -> None:
    lost = threading.Event()
    watch = Heartbeat(store, 0, 3, lost.set)
    watch.start()
    assert not lost.wait(0.6) and watch.silent is None
    beating.set()
    assert lost.wait(10) and watch.silent == 2


def test_others_watch_the_first_process_alone(store: Any, beating: threading.Event) -> None:
    lost = threading.Event()
    beating.set()
    watch = Heartbeat(store, 1, 3, lost.set)
    watch.start()
    assert lost.wait(10) and watch.silent == 0


def test_a_failure_is_noticed_unless_this_process_ends_by_itself(
    store: Any, beating: threading.Event
) -> None:
    for ends in (False, True):
        lost = threading.Event()
        watch = Heartbeat(store, 0, 3, lost.set)
        store.add("failures", 1)
        watch.start()
        if ends:
            watch.stop()
        assert lost.wait(5 if not ends else 0.3) is not ends
        watch.join(5)
        assert not watch.is_alive()


def test_once_the_others_are_released_their_loss_ends_nothing_and_is_still_known(
    store: Any, beating: threading.Event
) -> None:
    lost = threading.Event()
    watch = Heartbeat(store, 0, 3, lost.set)
    watch.start()
    watch.release()
    beating.set()
    store.add("failures", 1)
    assert not lost.wait(0.6) and watch.silent == 2
    before = store.get(beat_key(0))
    time.sleep(0.1)
    assert store.get(beat_key(0)) != before
    watch.stop()
    watch.join(5)
    assert not watch.is_alive()


def test_it_stops(store: Any, beating: threading.Event) -> None:
    watch = Heartbeat(store, 0, 3, lambda: None)
    watch.start()
    time.sleep(0.05)
    watch.stop()
    watch.join(5)
    assert not watch.is_alive()
