"""The kernel that is given a cost, against POT and our own float64 solver."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import ot
import pytest
import torch

from otx.errors import ProblemError
from otx.ot.kernels import fits
from otx.ot.kernels.on_chip import FEWEST_ITERATIONS, solve_costs
from otx.ot.problems.entropic import validate
from otx.ot.problems.problem import BALANCED, Problem
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.solvers.unbalanced import unbalanced
from otx.ot.stopping import Stopping
from tests import oracles

TOLERANCE = 1e-4
FEW = Stopping(TOLERANCE, 50)
LENGTHS = [(1, 1), (1, 9), (13, 1), (5, 8), (16, 16), (17, 3), (24, 40)]


def _plan(problem: Any, solved: Any) -> Any:
    """The plan, in float64, of the kernel's potentials."""
    exponent = solved.log_p[:, :, None] + solved.log_q[:, None, :] - validate(problem).exponent
    return exponent.exp()


def _error(problem: Any, solved: Any) -> Any:
    """Both marginals' L1 distance from the optimum's, in float64."""
    entropic = validate(problem)
    u = (solved.log_p - entropic.log_a).nan_to_num(0)
    v = (solved.log_q - entropic.log_b).nan_to_num(0)
    plan = entropic.plan(u, v)
    rows = (plan.sum(2) - entropic.row_target(u)).abs().sum(1)
    return rows + (plan.sum(1) - entropic.column_target(v)).abs().sum(1)


def _batch(cases: Any) -> Any:
    """Cases side by side, with NaN costs where one is shorter than the longest."""
    n, m = (max(case.cost.shape[k] for case in cases) for k in (0, 1))
    cost = torch.full((len(cases), n, m), torch.nan, dtype=torch.float64)
    a, b = torch.zeros(len(cases), n).double(), torch.zeros(len(cases), m).double()
    for i, case in enumerate(cases):
        rows, columns = case.cost.shape
        cost[i, :rows, :columns] = torch.tensor(case.cost) / case.epsilon
        a[i, :rows], b[i, :columns] = torch.tensor(case.a), torch.tensor(case.b)
    return cost, a, b


def _cases(make_case: Any, spreads: Any, kinds: Any = ("uniform",)) -> Any:
    return [
        make_case(i, n, m, spread, kind=kinds[i % len(kinds)])
        for spread in spreads
        for i, (n, m) in enumerate(LENGTHS)
    ]


@pytest.mark.parametrize("spread", [1.0, 30.0, 300.0])
def test_plans_equal_pot_and_each_problem_stops_on_its_own(
    interpreted: Any, make_case: Any, pot_plan: Any, spread: float
) -> None:
    cases = _cases(make_case, [spread], ("uniform", "line", "clusters", "copies"))
    problem = Problem(*_batch(cases), epsilon=1.0)
    solved = interpreted(solve_costs, problem, Stopping(TOLERANCE, 4000))
    plans = _plan(problem, solved)
    assert (solved.error <= TOLERANCE).all()
    assert (_error(problem, solved) <= TOLERANCE + 1e-9).all()
    assert len(set(solved.iterations.tolist())) > 1
    for case, plan in zip(cases, plans, strict=True):
        n, m = case.cost.shape
        wanted, left = pot_plan(case)
        if left > TOLERANCE / 10:  # POT crawls; ours in float64 is checked against it elsewhere
            exact = sinkhorn(*case.tensors(torch.float64), epsilon=case.epsilon, tolerance=1e-10)
            wanted = exact.plan[0].numpy()
        # Of two plans with marginal errors e, the distance is some e times the condition.
        wanted = oracles.balanced(wanted, case.a, case.b, tolerance=TOLERANCE / 10)
        np.testing.assert_allclose(plan[:n, :m].numpy(), wanted, atol=20 * TOLERANCE)
        assert plan[n:].abs().sum() + plan[:, m:].abs().sum() == 0


@pytest.mark.parametrize("spread", [10.0, 100.0, 300.0])
def test_plans_equal_the_float64_solver(interpreted: Any, make_case: Any, spread: float) -> None:
    case = make_case(5, 12, 19, spread, kind="copies")
    cost, a, b = case.tensors(torch.float64)
    problem = Problem(cost, a, b, epsilon=case.epsilon)
    solved = interpreted(solve_costs, problem, Stopping(3e-6, 2000))
    wanted = sinkhorn(cost, a, b, epsilon=case.epsilon, tolerance=1e-10)
    assert torch.allclose(_plan(problem, solved), wanted.plan, atol=1e-4)


@pytest.mark.parametrize("tau", [0.05, 1.0, 100.0, (0.1, math.inf), (math.inf, 2.0), (0.3, 30.0)])
def test_relaxed_plans_equal_pot(interpreted: Any, make_case: Any, tau: Any) -> None:
    """Tau in epsilons; masses of unlike totals, but for one marginal that is a constraint."""
    taus = tau if isinstance(tau, tuple) else (tau, tau)
    for spread in (2.0, 60.0):
        case = make_case(int(spread), 9, 14, spread, kind="copies")
        case = type(case)(case.cost, case.a, 1.5 * case.b, case.epsilon)
        prices = tuple(case.epsilon * t for t in taus)
        wanted = ot.unbalanced.sinkhorn_unbalanced(
            case.a, case.b, case.cost, case.epsilon, prices,
            reg_type="kl", c=np.outer(case.a, case.b), numItermax=20000, stopThr=1e-13,
        )  # fmt: skip
        wanted = oracles.relaxed(wanted, case.a, case.b, case.cost, case.epsilon, prices)
        problem = Problem(*_batch([case]), epsilon=1.0, tau=taus)
        solved = interpreted(solve_costs, problem, Stopping(1e-5, 1000))
        assert solved.error.item() <= 1e-5
        assert _error(problem, solved).item() <= 1e-5 + 1e-9
        np.testing.assert_allclose(_plan(problem, solved)[0].numpy(), wanted, atol=2e-4)


def test_identical_sides_and_words_without_mass_in_the_middle(interpreted: Any) -> None:
    points = torch.randn(1, 11, 4, generator=torch.Generator().manual_seed(0)).double()
    mass = torch.full((1, 11), 0.1, dtype=torch.float64)
    mass[0, 4] = 0
    cost = torch.cdist(points, points)
    cost[:, 4], cost[:, :, 4] = torch.nan, torch.inf
    problem = Problem(cost, mass, mass, epsilon=0.05)
    solved = interpreted(solve_costs, problem, Stopping(TOLERANCE, 1000))
    plan = _plan(problem, solved)
    assert solved.error.item() <= TOLERANCE
    assert solved.f[0, 4] == 0
    assert solved.g[0, 4] == 0
    assert plan[0, 4].sum() + plan[0, :, 4].sum() == 0
    assert torch.allclose(plan, plan.mT, atol=TOLERANCE)


def test_what_was_not_reached_is_reported(interpreted: Any, make_case: Any) -> None:
    problem = Problem(*_batch([make_case(0, 12, 12, 300.0)]), epsilon=1.0)
    solved = interpreted(solve_costs, problem, Stopping(1e-9, 9))
    assert solved.iterations.item() == 9
    assert solved.error.item() > 1e-9
    assert not solved.converged.item()
    assert solved.error.item() == pytest.approx(_error(problem, solved).item(), rel=1e-6)


def test_what_cannot_be_solved_does_not_converge(interpreted: Any, make_case: Any) -> None:
    case = make_case(0, 5, 6, 3.0)
    cost, a, b = _batch([case] * 8)
    a[1], b[2], a[3, 0], b[4, 2], a[5, 1] = 0, 0, -0.1, torch.nan, torch.inf
    cost[6, 1, 1], cost[7, 0, 0] = torch.nan, torch.inf
    solved = interpreted(solve_costs, Problem(cost, a, b, epsilon=1.0), Stopping(TOLERANCE, 50))
    assert solved.converged.tolist() == [True] + [False] * 7
    unequal = interpreted(solve_costs, Problem(cost[:1], a[:1], 1.01 * b[:1], epsilon=1.0), FEW)
    assert not unequal.converged.item()


def test_over_relaxation_pays(interpreted: Any, make_case: Any) -> None:
    """Plain sweeps in float64 need the iterations on the right; see the module for why ours are fewer."""
    stated = Problem(*_batch([make_case(1, 20, 20, 100.0)]), epsilon=1.0)
    problem = validate(stated)
    v, plain = torch.zeros_like(problem.b), 0
    while True:
        u = problem.rows(v)
        if (problem.plan(u, v).sum(1) - problem.b).abs().sum() <= TOLERANCE:
            break
        v, plain = problem.columns(u), plain + 1
    solved = interpreted(solve_costs, stated, Stopping(TOLERANCE, 2000))
    assert solved.iterations.item() < plain / 2


@pytest.mark.parametrize("tau", [BALANCED, (0.1, 0.1)])
def test_solve_goes_by_the_kernel_and_ends_as_exact_as_without(
    interpreted: Any, make_case: Any, tau: Any
) -> None:
    inputs = make_case(2, 9, 12, 80.0, kind="line").tensors()
    solver, options = (sinkhorn, {}) if tau == BALANCED else (unbalanced, {"tau": tau})
    here = solver(*inputs, epsilon=1 / 80, **options)
    there = interpreted(solver, *inputs, epsilon=1 / 80, **options)
    assert bool(there.converged)
    assert there.marginal_error.item() <= 1e-6
    assert there.value.item() == pytest.approx(here.value.item(), abs=1e-6)
    assert there.iterations.item() != here.iterations.item()


def test_sizes_that_fit() -> None:
    assert fits(128, 128)
    assert fits(1, 1024)
    assert not fits(129, 65)


def test_without_a_gpu_the_kernel_is_refused_and_triton_not_imported(make_case: Any) -> None:
    problem = Problem(*make_case(0, 3, 4, 3.0).tensors(), epsilon=1.0)
    known = "otx.ot.kernels.entries" in sys.modules
    with pytest.raises(ProblemError, match="no kernel runs on cpu"):
        solve_costs(problem, Stopping(TOLERANCE, 50))
    assert ("otx.ot.kernels.entries" in sys.modules) == known


def test_a_problem_too_large_is_refused(interpreted: Any) -> None:
    problem = Problem(torch.zeros(1, 200, 100), torch.ones(1, 200), torch.ones(1, 100), epsilon=1.0)
    with pytest.raises(ProblemError, match="do not fit"):
        interpreted(solve_costs, problem, Stopping(TOLERANCE, 50))


@pytest.mark.parametrize("limit", [FEWEST_ITERATIONS, 5, 12, 30])
def test_the_limit_holds(interpreted: Any, make_case: Any, limit: int) -> None:
    cases = [
        make_case(seed, 7, 9, 300.0, kind=kind) for seed, kind in enumerate(("uniform", "line"))
    ]
    solved = interpreted(solve_costs, Problem(*_batch(cases), epsilon=1.0), Stopping(0.0, limit))
    assert (solved.iterations <= limit).all()
    assert solved.error.isfinite().all()
