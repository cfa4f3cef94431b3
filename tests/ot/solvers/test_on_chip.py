"""The GPU's path, its kernels interpreted, against the path that a CPU takes in float64."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from otx.errors import ProblemError
from otx.ot.costs.ground import cosine, euclidean
from otx.ot.problems.problem import BALANCED, PointCloudProblem, Problem
from otx.ot.solvers.divergence import divergence
from otx.ot.solvers.solve import solve
from otx.ot.stopping import Stopping
from tests.examples import examples
from tests.ot.solvers import on_chip_calls

EXACT = Stopping(1e-11, 2000)
SIZES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 12)), min_size=1, max_size=3)


def _ragged(lengths: Any, seed: int, padding: float) -> Any:
    """Masses of any size, zeros among them, and vectors that are ``padding`` where there is no mass."""
    generator = torch.Generator().manual_seed(seed)
    sides = []
    for counts in zip(*lengths, strict=True):
        longest = max(counts)
        mask = torch.arange(longest) < torch.tensor(counts)[:, None]
        mass = torch.rand(len(counts), longest, generator=generator).masked_fill(~mask, 0)
        dropped = (torch.rand(mass.shape, generator=generator) < 0.2) & (torch.arange(longest) > 0)
        mass = mass.masked_fill(dropped, 0)
        points = torch.randn(len(counts), longest, 6, generator=generator)
        points = points.masked_fill((mass == 0)[:, :, None], padding)
        sides.append((points, mass / mass.sum(1, keepdim=True)))
    return sides


def _near(ours: Any, wanted: Any, atol: float = 2e-5) -> None:
    torch.testing.assert_close(ours.double(), wanted.double(), atol=atol, rtol=2e-5)


@examples(3, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    lengths=SIZES,
    seed=st.integers(0, 10**6),
    tau=st.sampled_from([BALANCED, (0.5, 0.5), (math.inf, 0.3)]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_costs_given(interpreted: Any, lengths: Any, seed: int, tau: Any, dtype: Any) -> None:
    (x, a), (y, b) = _ragged(lengths, seed, math.nan)
    problem = Problem(cosine(x, y).to(dtype), a.to(dtype), b.to(dtype), epsilon=0.1, tau=tau)
    weights = torch.arange(1.0, len(x) + 1, dtype=dtype)
    ours = interpreted(on_chip_calls.solved, problem, Stopping(1e-6, 400), weights)
    double = replace(problem, cost=problem.cost.double(), a=a.double(), b=b.double())
    wanted = on_chip_calls.solved(double, EXACT, weights.double())
    for name in ("value", "f", "g", "plan", "mass"):
        assert ours[name].dtype == dtype
        _near(ours[name], wanted[name])
    for gradient, exact in zip(ours["gradients"], wanted["gradients"], strict=True):
        _near(gradient, exact)
    assert bool(ours["converged"].all())
    assert ours["left_over"] == 0
    dead = (a == 0)[:, :, None] | (b == 0)[:, None, :]
    assert (ours["gradients"][0][dead] == 0).all()


@examples(2, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(lengths=SIZES, seed=st.integers(0, 10**6), tau=st.sampled_from([None, 0.5]))
def test_divergences(interpreted: Any, lengths: Any, seed: int, tau: Any) -> None:
    (x, a), (y, b) = _ragged(lengths, seed, math.nan)
    options = {"cost": euclidean, "epsilon": 0.5, "tau": tau}
    ours = interpreted(on_chip_calls.diverged, x, y, a, b, **options, max_iterations=400)
    x, y = x.nan_to_num(0), y.nan_to_num(0)
    wanted = on_chip_calls.diverged(
        *(side.detach().double() for side in (x, y, a, b)), **options, tolerance=1e-11
    )
    _near(ours["value"], wanted["value"])
    for gradient, exact in zip(ours["gradients"], wanted["gradients"], strict=True):
        _near(gradient, exact)
    for part in ("cross", "left", "right"):
        for name in ("value", "f", "g", "plan", "mass"):
            _near(ours[part][name], wanted[part][name])
        assert ours[part]["left_over"] == 0
    assert (ours["gradients"][0][a == 0] == 0).all()


def test_what_does_not_converge_on_chip_is_counted_and_solved(
    interpreted: Any, make_case: Any
) -> None:
    """Of two problems one is hard: the kernel's share of the iterations is too few, and Newton's steps are enough."""
    hard, easy = (make_case(1, 9, 11, spread, kind="line").tensors() for spread in (300.0, 2.0))
    cost, a, b = (torch.cat(pair) for pair in zip(easy, hard, strict=True))
    cost[0] *= 2 / 300
    problem = Problem(cost, a, b, epsilon=1 / 300)
    stopping = Stopping(1e-6, 60)
    ours = interpreted(on_chip_calls.solved, problem, stopping, torch.ones(2))
    wanted = on_chip_calls.solved(problem, replace(stopping, max_iterations=400), torch.ones(2))
    assert ours["left_over"] == 1
    assert bool(ours["converged"].all())
    assert bool((ours["marginal_error"] <= 1e-6).all())
    assert 45 < ours["iterations"][1] <= 60
    _near(ours["value"], wanted["value"])
    _near(ours["gradients"][0], wanted["gradients"][0], atol=1e-4)


def test_what_is_never_solved_is_reported_within_its_limit(
    interpreted: Any, make_case: Any
) -> None:
    problem = Problem(*make_case(1, 9, 11, 3000.0, kind="line").tensors(), epsilon=1 / 3000)
    ours = interpreted(on_chip_calls.solved, problem, Stopping(1e-9, 9), torch.ones(1))
    assert ours["left_over"] == 1
    assert not bool(ours["converged"])
    assert ours["iterations"].item() <= 9


def _broken(change: str) -> dict[str, Any]:
    (x, a), (y, b) = _ragged([(4, 5), (3, 2), (2, 4)], 3, 0.0)
    if change == "negative":
        b[1, 0] = -0.1
    elif change == "not finite":
        a[1, 0] = math.nan
    elif change == "empty":
        a[1] = 0
    elif change == "unequal":
        b[1] *= 1.1
    elif change == "vectors":
        x[1, 0] = math.inf
    return {"x": x, "y": y, "a": a, "b": b}


CHANGES = ("negative", "not finite", "empty", "unequal", "vectors")


@pytest.mark.parametrize("change", CHANGES)
def test_errors_are_those_of_the_path_without_kernels(interpreted: Any, change: str) -> None:
    parts = _broken(change)
    with pytest.raises(ProblemError, match="problem 1") as refused:
        divergence(**parts, cost=euclidean, epsilon=0.5)
    with pytest.raises(ProblemError) as refused_there:
        interpreted(on_chip_calls.diverged, **parts, cost=euclidean, epsilon=0.5)
    assert str(refused_there.value) == str(refused.value)
    points = PointCloudProblem(**parts, cost=euclidean, epsilon=0.5)
    with pytest.raises(ProblemError) as refused_there:
        interpreted(solve, points.to_problem())
    assert str(refused_there.value) == str(refused.value)


@pytest.mark.parametrize("options", [{"epsilon": 0.0}, {"epsilon": math.nan}, {"tau": -1.0}])
def test_prices_out_of_range_are_refused(interpreted: Any, options: Any) -> None:
    parts = _broken("nothing")
    with pytest.raises(ProblemError, match=r"epsilon is|tau is"):
        interpreted(on_chip_calls.diverged, **parts, cost=cosine, **{"epsilon": 0.1} | options)


def test_an_empty_batch(interpreted: Any) -> None:
    empty = torch.zeros(0, 3), torch.zeros(0, 4)
    problem = Problem(torch.zeros(0, 3, 4), *empty, epsilon=0.1)
    assert interpreted(on_chip_calls.solved, problem, EXACT, torch.zeros(0))["value"].shape == (0,)


def test_a_call_waits_once_and_issues_few_operations(interpreted: Any) -> None:
    counts = interpreted(on_chip_calls.count_calls, pooled=False)
    most = {"sinkhorn": 30, "points": 30, "divergence": 50, "objective sinkhorn": 120}
    assert counts.keys() == most.keys()
    for name, (operations, waits, left_over) in counts.items():
        assert operations <= most[name], name
        assert waits == 1, name
        assert left_over == 0, name


def test_a_pooled_call_waits_a_few_times(interpreted: Any) -> None:
    counts = interpreted(on_chip_calls.count_calls, pooled=True)
    assert counts.keys() == {"divergence", "objective divergence"}
    for name, (operations, waits, left_over) in counts.items():
        assert operations <= 1000, name
        assert 1 <= waits <= 3, name
        assert left_over == 0, name
