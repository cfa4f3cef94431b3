from __future__ import annotations

import signal
import sys
import threading
import time

import pytest

from otx.plugin_host import isolation
from otx.plugin_host.isolation import OutOfPatience, guarded


def test_what_is_printed_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with guarded():
        print("hello")
    print("after")
    assert capsys.readouterr() == ("after\n", "hello\n")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "PATIENCE", 0.1)


@pytest.mark.usefixtures("hasty")
def test_what_takes_too_long_is_interrupted() -> None:
    began = time.monotonic()
    with pytest.raises(OutOfPatience, match=r"within 0\.1 seconds"), guarded():
        time.sleep(30)
    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("hasty")
def test_what_goes_on_importing_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with guarded():
        for number in range(8):
            monkeypatch.setitem(sys.modules, f"slowly_imported_{number}", sys)
            time.sleep(0.05)
    with pytest.raises(OutOfPatience), guarded():
        monkeypatch.setitem(sys.modules, "the_last", sys)
        time.sleep(30)


@pytest.mark.usefixtures("hasty")
def test_what_swallows_the_first_interruption_meets_a_second() -> None:
    def stubborn() -> None:
        try:
            time.sleep(30)
        except BaseException:
            time.sleep(30)

    began = time.monotonic()
    with pytest.raises(OutOfPatience), guarded():
        stubborn()
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("hasty")
def test_nothing_rings_afterwards() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with guarded():
        pass
    time.sleep(0.3)
    assert signal.getsignal(signal.SIGALRM) is before


def test_an_alarm_that_was_set_before_still_rings() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    timer = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with guarded():
            pass
        assert rung == []
        time.sleep(0.6)
        assert rung == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def test_outside_the_main_thread_there_is_no_clock_but_all_else_holds() -> None:
    seen: list[object] = []

    def work() -> None:
        with guarded():
            seen.append(sys.stdout is sys.stderr)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]
