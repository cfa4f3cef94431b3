"""The compiled solver against the same methods in torch, and against itself in other batches and on more threads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from otx.errors import ProblemError
from otx.ot import BALANCED, Problem, Stopping, Transport, cosine, sinkhorn, solve, uniform
from otx.ot.compiled import batch
from otx.ot.solvers.solve import solve_compiled, solve_with_torch
from tests.examples import examples

TAUS = (BALANCED, (0.1, 0.1), (3.0, 0.4), (0.2, math.inf), (math.inf, 0.2))


def _ragged(
    seed: int, sizes: list[tuple[int, int]], spread: float, dtype: torch.dtype = torch.float64
) -> Problem:
    """Problems with masses of 0 between the others, and NaN and infinite costs wherever there is no mass."""
    rng = np.random.default_rng(seed)
    n, m = (max(side) + 3 for side in zip(*sizes, strict=True))
    cost = np.full((len(sizes), n, m), np.nan)
    cost[:, :, ::2] = np.inf
    a, b = np.zeros((len(sizes), n)), np.zeros((len(sizes), m))
    for index, (rows, columns) in enumerate(sizes):
        at = np.sort(rng.choice(n, rows, replace=False)), np.sort(rng.choice(m, columns, False))
        cost[index][np.ix_(*at)] = rng.random((rows, columns))
        for side, places in zip((a, b), at, strict=True):
            masses = rng.random(len(places)) + 0.02
            side[index, places] = masses / masses.sum()
    tensors = (torch.tensor(array, dtype=dtype) for array in (cost, a, b))
    return Problem(*tensors, epsilon=1 / spread)


def _with(problem: Problem, **changes: Any) -> Problem:
    values = {"epsilon": problem.epsilon, "tau": problem.tau, "symmetric": problem.symmetric}
    return Problem(problem.cost, problem.a, problem.b, **{**values, **changes})


def _solved(
    how: Callable[..., Transport], problem: Problem, stopping: Stopping, initial: Any = None
) -> tuple[Transport, tuple[torch.Tensor, ...]]:
    inputs = [
        side.detach().clone().requires_grad_() for side in (problem.cost, problem.a, problem.b)
    ]
    options = {"epsilon": problem.epsilon, "tau": problem.tau, "symmetric": problem.symmetric}
    result = how(Problem(*inputs, **options), stopping, initial)
    weights = torch.arange(1.0, len(result.value) + 1, dtype=result.value.dtype)
    return result, torch.autograd.grad((weights * result.value).sum(), inputs)


SIZES = st.lists(st.tuples(st.integers(1, 18), st.integers(1, 18)), min_size=1, max_size=4)
SPREADS = st.floats(0, 4).map(lambda power: 10.0**power)


@examples(60)
@given(st.integers(0, 2**31), SIZES, SPREADS, st.sampled_from(TAUS), st.booleans())
def test_it_is_the_torch_solver(
    seed: int, sizes: list[tuple[int, int]], spread: float, tau: Any, warm: bool
) -> None:
    """Up to what a tolerance of 1e-9 leaves open; torch takes one problem, for a batch would choose its path."""
    tau = tuple(price * 30 / spread for price in tau)
    whole, stopping = _with(_ragged(seed, sizes, spread), tau=tau), Stopping(1e-9)
    initial = torch.rand_like(whole.b) / spread if warm else None
    result, slopes = _solved(solve_compiled, whole, stopping, initial)
    for index in range(len(sizes)):
        part = slice(index, index + 1)
        alone = Problem(
            whole.cost[part], whole.a[part], whole.b[part], epsilon=whole.epsilon, tau=tau
        )
        start = None if initial is None else initial[part]
        twin, of_twin = _solved(solve_with_torch, alone, stopping, start)
        assert bool(result.converged[index] == twin.converged[0])
        if not bool(twin.converged):
            continue
        scale = max(1.0, whole.epsilon)
        for ours, theirs in (
            (result.value, twin.value),
            (result.f, twin.f),
            (result.g, twin.g),
            (result.plan, twin.plan),
            (result.mass, twin.mass),
            *((by * 1 / (index + 1), of) for by, of in zip(slopes, of_twin, strict=True)),
        ):
            assert torch.allclose(ours[part], theirs, rtol=1e-6, atol=1e-6 * scale)
        assert abs(int(result.iterations[index]) - int(twin.iterations)) <= 2
        assert float(result.marginal_error[index]) <= 1e-9


@pytest.mark.parametrize("spread", [20.0, 300.0])
def test_sides_against_themselves_are_averaged_as_in_torch(spread: float) -> None:
    points = torch.randn(3, 15, 4, generator=torch.Generator().manual_seed(0)).double()
    cost = torch.cdist(points, points) / 4
    mass = torch.rand(3, 15, generator=torch.Generator().manual_seed(1)).double()
    mass = mass / mass.sum(1, keepdim=True)
    problem = Problem(cost, mass, mass, epsilon=1 / spread, symmetric=True)
    ours, theirs = solve(problem), solve_with_torch(problem, Stopping(), None)
    assert torch.allclose(ours.plan, theirs.plan, atol=1e-10)
    assert torch.equal(ours.iterations, theirs.iterations)
    assert int(ours.iterations.max()) < 60


def test_a_problem_does_not_depend_on_its_batch_or_on_the_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = [(3, 17), (20, 9), (1, 1), (12, 12), (18, 20), (7, 2), (16, 16), (5, 19)] * 4
    batch_of_all = _ragged(0, sizes, 60.0, torch.float32)
    whole, slopes = _solved(solve_compiled, batch_of_all, Stopping())
    monkeypatch.setattr(batch, "THREADED", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    threaded, of_threaded = _solved(solve_compiled, batch_of_all, Stopping())
    fields = ("value", "f", "g", "plan", "iterations", "marginal_error", "converged", "mass")
    for name in fields:
        assert torch.equal(getattr(whole, name), getattr(threaded, name))
    assert all(map(torch.equal, slopes, of_threaded))
    for index in range(8):
        part = slice(index, index + 1)
        cost, a, b = (side[part] for side in (batch_of_all.cost, batch_of_all.a, batch_of_all.b))
        single = Problem(cost, a, b, epsilon=batch_of_all.epsilon)
        alone, _ = _solved(solve_compiled, single, Stopping())
        for name in fields:
            assert torch.equal(getattr(whole, name)[index], getattr(alone, name)[0]), name


def test_a_plan_computed_later_is_the_one_that_a_gradient_needs() -> None:
    problem = _ragged(1, [(9, 11), (4, 16)], 40.0)
    later = solve(problem).plan
    at_once, slopes = _solved(solve_compiled, problem, Stopping())
    assert torch.allclose(later, at_once.plan, atol=1e-14)
    assert torch.allclose(slopes[0], at_once.plan * torch.tensor([1.0, 2.0])[:, None, None])
    assert bool((later[problem.a == 0] == 0).all())


def test_large_problems_get_their_newton_steps_from_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = _ragged(3, [(30, 40), (12, 8), (25, 35)], 200.0)
    expected, of_expected = _solved(solve_compiled, problem, Stopping(1e-9))
    rules = batch._RULES.copy()
    rules[-1] = 20
    monkeypatch.setattr(batch, "_RULES", rules)
    result, slopes = _solved(solve_compiled, problem, Stopping(1e-9))
    assert bool(result.converged.all())
    assert torch.equal(result.iterations, expected.iterations)
    for ours, theirs in (
        (result.value, expected.value),
        (result.f, expected.f),
        (result.plan, expected.plan),
        *zip(slopes, of_expected, strict=True),
    ):
        assert torch.allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_views_need_no_copy_and_are_left_as_they_were(dtype: torch.dtype) -> None:
    problem = _ragged(4, [(5, 7), (6, 3)], 20.0, dtype)
    turned = problem.cost.mT.contiguous().mT
    before = turned.clone()
    result = solve(Problem(turned, problem.a, problem.b, epsilon=problem.epsilon))
    assert torch.equal(result.value, solve(problem).value)
    assert torch.equal(turned.nan_to_num(), before.nan_to_num())
    assert result.value.dtype == result.f.dtype == result.plan.dtype == dtype


def test_shapes_that_do_not_fit_are_refused() -> None:
    half = torch.full((2, 2), 0.5)
    with pytest.raises(ProblemError, match=r"shape \[2, 2\], not \[1, 2\]"):
        solve(Problem(torch.zeros(2, 2, 2), half[:1], half, epsilon=0.1))
    with pytest.raises(ProblemError, match=r"shape \[2, 2\], not \[2, 3\]"):
        solve(Problem(torch.zeros(2, 2, 2), half, half, epsilon=0.1), initial=torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("a[3, 1] = -0.1", "problem 3: a mass of the first side is negative or not finite"),
        ("b[3, 0] = torch.nan", "problem 3: a mass of the second side is negative or not finite"),
        ("a[3] = 0", "problem 3: the first side has no mass"),
        ("b[3] = 0", "problem 3: the second side has no mass"),
        ("b[3, 0] += 0.1", "problem 3: the two sides have different masses"),
        ("cost[3, 0, 1] = torch.nan", "problem 3: a cost between two real words is not finite"),
        ("cost[3, 0, 1] = -torch.inf", "problem 3: a cost between two real words is not finite"),
    ],
)
def test_a_problem_without_a_solution_is_named(
    change: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = {"cost": torch.rand(6, 2, 3), "a": torch.full((6, 2), 1 / 2)}
    tensors["b"] = torch.full((6, 3), 1 / 3)
    exec(change, {"torch": torch}, tensors)
    exec(change.replace("[3", "[5"), {"torch": torch}, tensors)
    monkeypatch.setattr(batch, "THREADED", 0)
    for threads in (1, 2):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        with pytest.raises(ProblemError, match=message):
            solve(Problem(**tensors, epsilon=0.1))


class _Counted(TorchDispatchMode):
    """Counts the torch operations that are run."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.operations[str(function)] += 1
        return function(*args, **(kwargs or {}))


def _sentences() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(1, n, 64, generator=generator) for n in (20, 22))
    y[:, :20] += x
    return (
        x.requires_grad_(),
        y.requires_grad_(),
        *(uniform(torch.ones(1, n, dtype=torch.bool)) for n in (20, 22)),
    )


def test_the_number_of_torch_operations_is_small_and_fixed() -> None:
    """Once 709 operations and 19 reads by the host at 18 iterations, growing with the iterations."""
    x, y, a, b = _sentences()
    cost = cosine(x, y).detach().requires_grad_()
    for limit in (6, 200):
        with _Counted() as solver:
            sinkhorn(cost, a, b, epsilon=0.05, max_iterations=limit).value.sum().backward()
        assert solver.operations.total() <= 23
        with _Counted() as with_cost:
            sinkhorn(cosine(x, y), a, b, epsilon=0.05, max_iterations=limit).value.sum().backward()
        assert with_cost.operations.total() <= 60
        read = {
            "aten._local_scalar_dense.default",
            "aten.nonzero.default",
            "aten.is_nonzero.default",
        }
        assert not read & set(with_cost.operations)
