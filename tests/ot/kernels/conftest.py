"""A process in which Triton's kernels are interpreted: it decides so once, when it is first imported."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

WORKER = """
import pickle, sys
from types import SimpleNamespace
answers, sys.stdout = sys.stdout.buffer, sys.stderr
for function, arguments, options in iter(lambda: pickle.load(sys.stdin.buffer), None):
    try:
        found = function(*arguments, **options)
        if hasattr(found, "entries"):  # a function, which does not travel: its plan does
            found = SimpleNamespace(**{**vars(found), "entries": None}, plan=found.plan)
        answer = True, found
    except Exception as problem:
        answer = False, problem
    pickle.dump(answer, answers)
    answers.flush()
"""


@pytest.fixture(scope="session")
def interpreted() -> Iterator[Callable[..., Any]]:
    """Calls a function of ours, by its arguments, where kernels run on the CPU."""
    pytest.importorskip("triton", reason="triton is not installed")
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": path}
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER], env=environment, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    requests, answers = worker.stdin, worker.stdout
    assert requests is not None
    assert answers is not None

    def send(request: Any) -> None:
        pickle.dump(request, requests)
        requests.flush()

    def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        send((function, arguments, options))
        good, answer = pickle.load(answers)
        if good:
            return answer
        raise answer

    yield call
    send(None)
    worker.wait()
