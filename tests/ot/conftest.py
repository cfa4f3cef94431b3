"""Problems to test on, POT's answers to them in float64, and a process in which Triton's kernels are interpreted."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import ot
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
KINDS = ("uniform", "line", "clusters", "copies")


@dataclass(frozen=True)
class Case:
    """One problem, unbatched: ``cost [N, M]``, ``a [N]`` and ``b [M]`` summing to 1, epsilon."""

    cost: Array
    a: Array
    b: Array
    epsilon: float

    def tensors(self, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
        """Cost, a and b as a batch of one."""
        cost, a, b = (
            torch.tensor(array, dtype=dtype)[None] for array in (self.cost, self.a, self.b)
        )
        return cost, a, b

    def rounded(self) -> Case:
        """The problem that float32 tensors state, exactly."""
        cost, a, b = (tensor[0].double().numpy() for tensor in self.tensors())
        return Case(cost, a / a.sum(), b / b.sum(), self.epsilon)


@pytest.fixture(scope="session")
def make_case() -> Callable[..., Case]:
    """Cases with a given number of words, cost range in epsilons, and scale of the cost."""

    def make(
        seed: int, n: int, m: int, spread: float, scale: float = 1.0, kind: str = "uniform",
        equal_masses: bool = False,
    ) -> Case:  # fmt: skip
        rng = np.random.default_rng(seed)
        cost = _costs(rng, n, m, kind)
        width = np.ptp(cost)
        cost = scale * (cost - cost.min()) / (width if width > 0 else 1)
        a, b = (np.ones(k) if equal_masses else rng.random(k) ** 2 + 0.01 for k in (n, m))
        return Case(cost, a / a.sum(), b / b.sum(), scale / spread)

    return make


def _costs(rng: np.random.Generator, n: int, m: int, kind: str) -> Array:
    if kind == "line":
        return np.asarray((rng.random((n, 1)) - rng.random((1, m))) ** 2)
    if kind == "clusters":
        x, y = (rng.integers(0, 2, k) + 0.02 * rng.random(k) for k in (n, m))
        return np.asarray((x[:, None] - y[None]) ** 2)
    if kind == "copies":
        x, y = rng.normal(size=(n, 16)), rng.normal(size=(m, 16))
        k = min(n, m)
        y[:k] = x[:k] + 0.3 * y[:k]
        return np.asarray(((x[:, None] - y[None]) ** 2).sum(2))
    return rng.random((n, m))


@pytest.fixture(scope="session")
def pot_plan() -> Callable[..., tuple[Array, float]]:
    """POT's ``sinkhorn_log``: plan and the largest error of its marginals; it goes on from potentials f, g."""

    def solve(case: Case, f: Array | None = None, g: Array | None = None) -> tuple[Array, float]:
        start = None
        if f is not None and g is not None:
            start = (f / case.epsilon + np.log(case.a), g / case.epsilon + np.log(case.b))
        plan = ot.bregman.sinkhorn_log(
            case.a, case.b, case.cost, case.epsilon, numItermax=1000, stopThr=1e-12, warn=False,
            warmstart=start,
        )  # fmt: skip
        return plan, max(np.abs(plan.sum(1) - case.a).max(), np.abs(plan.sum(0) - case.b).max())

    return solve


@pytest.fixture(scope="session")
def objective() -> Callable[..., float]:
    """``<P, C> + eps KL(P | a b^T) + tau KL(P 1 | a) + tau KL(P^T 1 | b)`` of a plan, in numpy."""

    def evaluate(plan: Array, case: Case, tau: float | None = None) -> float:
        value = (plan * case.cost).sum() + case.epsilon * _kl(plan, np.outer(case.a, case.b))
        if tau is not None:
            value += tau * _kl(plan.sum(1), case.a) + tau * _kl(plan.sum(0), case.b)
        return float(value)

    return evaluate


def _kl(p: Array, q: Array) -> float:
    positive = p > 0
    logs = np.log(p[positive] / q[positive])
    return float((p[positive] * logs).sum() - p.sum() + q.sum())


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
    """Call a function of ours where kernels run on the CPU: in a process of its own, as triton decides on import."""
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
