from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from otx.ot.problems.entropic import validate
from otx.ot.problems.problem import BALANCED, Problem
from otx.ot.solvers.newton import ascend
from otx.ot.solvers.sinkhorn_log import alternate
from otx.ot.stopping import Stopping


def _posed(make_case: Any, *shape: Any, tau: Any = BALANCED, **kind: Any) -> Any:
    case = make_case(*shape, **kind)
    return validate(Problem(*case.tensors(torch.float64), epsilon=case.epsilon, tau=tau))


@pytest.mark.parametrize("kind", ["uniform", "line", "clusters", "copies"])
@pytest.mark.parametrize(
    "tau", [BALANCED, (0.1, 0.1), (100.0, 100.0), (0.1, math.inf), (math.inf, 0.1)]
)
def test_it_ends_where_a_thousand_sweeps_have_not(make_case: Any, kind: str, tau: Any) -> None:
    problem = _posed(make_case, 0, 20, 20, 200.0, kind=kind, tau=tau)
    start = alternate(problem, torch.zeros(1, 20).double(), 12)
    ascent = ascend(problem, start, Stopping(1e-10, 60))
    u = problem.rows(ascent.v)
    gap = problem.plan(u, ascent.v).sum(1) - problem.column_target(ascent.v)
    assert gap.abs().sum() <= 1e-10
    assert ascent.error.item() == pytest.approx(gap.abs().sum().item(), abs=1e-14)
    assert ascent.steps.item() < 45


def test_it_climbs_from_anywhere(make_case: Any) -> None:
    problem = _posed(make_case, 0, 15, 12, 30.0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        start = 100 * torch.randn(1, 12, generator=generator).double()
        assert ascend(problem, start, Stopping(1e-9, 200)).error.item() <= 1e-9


def test_no_step_lowers_the_dual(make_case: Any) -> None:
    problem = _posed(make_case, 0, 15, 12, 300.0)
    v, before = torch.zeros(1, 12).double(), -torch.inf
    for steps in range(1, 30):
        v = ascend(problem, torch.zeros(1, 12).double(), Stopping(0.0, steps)).v
        u = problem.rows(v)
        after = problem.dual(u, v, problem.plan(u, v).sum((1, 2))).item()
        assert after >= before - 1e-9
        before = after


def test_it_stops_each_problem_on_its_own(make_case: Any) -> None:
    easy, hard = _posed(make_case, 0, 6, 8, 1.0), _posed(make_case, 1, 6, 8, 200.0)
    both = validate(
        Problem(
            torch.cat((easy.exponent, hard.exponent)),
            torch.cat((easy.a, hard.a)),
            torch.cat((easy.b, hard.b)),
            epsilon=1.0,
        )
    )
    together = ascend(both, torch.zeros(2, 8).double(), Stopping(1e-8, 100))
    for i, problem in enumerate((easy, hard)):
        alone = ascend(problem, torch.zeros(1, 8).double(), Stopping(1e-8, 100))
        assert together.steps[i] == alone.steps[0]
        assert torch.allclose(together.v[i], alone.v[0])
    assert together.steps[0] < together.steps[1]


def test_no_steps_allowed_is_no_steps_taken(make_case: Any) -> None:
    problem = _posed(make_case, 0, 6, 8, 30.0)
    ascent = ascend(problem, torch.zeros(1, 8).double(), Stopping(1e-8, 0))
    assert ascent.steps.item() == 0
    assert (ascent.v == 0).all()
    assert ascent.error.item() > 1e-3
