from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from otx.errors import ProblemError
from otx.ot.problems.problem import Problem
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.solvers.solve import solve
from otx.ot.stopping import Stopping


def test_a_warm_start_from_the_answer_takes_no_iterations(make_case: Any) -> None:
    cost, a, b = make_case(0, 9, 11, 100.0).tensors(torch.float64)
    first = sinkhorn(cost, a, b, epsilon=0.01)
    again = sinkhorn(cost, a, b, epsilon=0.01, initial=first.g)
    assert again.iterations.item() == 0
    assert again.value.item() == pytest.approx(first.value.item(), abs=1e-12)


def test_a_bad_start_still_converges(make_case: Any) -> None:
    cost, a, b = make_case(0, 9, 11, 100.0).tensors(torch.float64)
    far = torch.linspace(-3, 3, 11)[None]
    result = sinkhorn(cost, a, b, epsilon=0.01, initial=far)
    assert bool(result.converged)
    assert result.value.item() == pytest.approx(sinkhorn(cost, a, b, epsilon=0.01).value.item())


def test_both_ways_of_sweeping_solve_a_symmetric_problem(make_case: Any) -> None:
    points = np.random.default_rng(0).normal(size=(10, 3))
    cost = torch.cdist(torch.tensor(points), torch.tensor(points))[None]
    mass = torch.full((1, 10), 0.1, dtype=torch.float64)
    values = [
        solve(
            Problem(cost, mass, mass, epsilon=0.2, symmetric=symmetric), Stopping(1e-10, 100)
        ).value.item()
        for symmetric in (False, True)
    ]
    assert values[0] == pytest.approx(values[1], abs=1e-10)


def test_the_potentials_share_their_constant_evenly(make_case: Any) -> None:
    cost, a, b = make_case(0, 5, 8, 10.0).tensors(torch.float64)
    result = sinkhorn(cost, a, b, epsilon=0.1, tolerance=1e-12)
    of_f, of_g = (a * result.f).sum().item(), (b * result.g).sum().item()
    assert of_f == pytest.approx(of_g)
    assert result.value.item() == pytest.approx(of_f + of_g)


def test_only_the_value_carries_a_gradient(make_case: Any) -> None:
    inputs = [tensor.requires_grad_() for tensor in make_case(0, 5, 8, 10.0).tensors()]
    result = sinkhorn(*inputs, epsilon=0.1)
    others = (result.f, result.g, result.plan, result.mass, result.marginal_error)
    assert result.value.requires_grad
    assert not any(tensor.requires_grad for tensor in others)


def test_a_value_hangs_on_its_inputs_alone_however_many_iterations_it_took(make_case: Any) -> None:
    inputs = [tensor.requires_grad_() for tensor in make_case(0, 9, 11, 100.0).tensors()]
    for limit in (10, 200):
        value = sinkhorn(*inputs, epsilon=0.01, max_iterations=limit).value
        leaves = [node.variable for node, _ in value.grad_fn.next_functions if node is not None]
        assert [id(leaf) for leaf in leaves] == [id(tensor) for tensor in inputs]


@pytest.mark.parametrize(("n", "side"), [(0, "first"), (3, "second")])
def test_a_side_of_no_words_is_refused_by_name(n: int, side: str) -> None:
    a, b = torch.full((2, n), 1 / max(n, 1)), torch.full((2, 3 - n), 1 / 3)
    with pytest.raises(ProblemError, match=f"problem 0: the {side} side has no mass"):
        sinkhorn(torch.zeros(2, n, 3 - n), a, b, epsilon=0.1)


def test_a_batch_of_no_problems_is_solved() -> None:
    result = sinkhorn(torch.zeros(0, 2, 3), torch.zeros(0, 2), torch.zeros(0, 3), epsilon=0.1)
    assert result.value.shape == (0,)
    assert result.plan.shape == (0, 2, 3)
