from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from otx.errors import ProblemError
from otx.ot.solvers.exact import exact_transport
from otx.ot.solvers.sinkhorn import sinkhorn
from tests import oracles
from tests.examples import examples

SEEDS = st.integers(0, 2**31)


def _linear_program(case: Any) -> Any:
    n, m = case.cost.shape
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(np.ones(n), np.eye(m))
    found = linprog(
        case.cost.ravel(), A_eq=np.vstack([rows, columns]), b_eq=np.concatenate([case.a, case.b])
    )
    oracles.require(found.success, found.message)
    return found.fun


@examples(40)
@given(SEEDS, st.integers(1, 9), st.integers(1, 9))
def test_the_value_is_the_linear_program_s(make_case: Any, seed: int, n: int, m: int) -> None:
    case = make_case(seed, n, m, 10.0)
    result = exact_transport(*case.tensors(torch.float64))
    assert bool(result.converged)
    assert result.value.item() == pytest.approx(_linear_program(case), abs=1e-9)
    f, g = result.f[0].numpy(), result.g[0].numpy()
    assert (f[:, None] + g[None] <= case.cost + 1e-9).all()
    assert (f @ case.a + g @ case.b) == pytest.approx(result.value.item(), abs=1e-9)


def test_equal_masses_are_a_permutation(make_case: Any) -> None:
    case = make_case(4, 6, 6, 10.0, equal_masses=True)
    best = min(case.cost[range(6), order].sum() / 6 for order in itertools.permutations(range(6)))
    assert exact_transport(*case.tensors(torch.float64)).value.item() == pytest.approx(best)


def test_entropic_transport_is_within_its_bound_of_it(make_case: Any) -> None:
    case = make_case(5, 8, 9, 200.0)
    inputs = case.tensors(torch.float64)
    gap = sinkhorn(*inputs, epsilon=case.epsilon).value - exact_transport(*inputs).value
    assert -1e-9 <= gap.item() <= case.epsilon * math.log(8 * 9)


def test_padding_and_gradients(make_case: Any) -> None:
    case = make_case(6, 4, 5, 10.0)
    cost, a, b = case.tensors(torch.float64)
    padded = torch.full((2, 6, 7), math.nan, dtype=torch.float64)
    padded[0, :4, :5], padded[1, 1:5, 2:] = cost[0], cost[0]
    of_a, of_b = torch.zeros(2, 6).double(), torch.zeros(2, 7).double()
    of_a[0, :4], of_a[1, 1:5], of_b[0, :5], of_b[1, 2:] = a[0], a[0], b[0], b[0]
    inputs = [tensor.requires_grad_() for tensor in (padded, of_a, of_b)]
    result = exact_transport(*inputs)
    assert result.value.tolist() == pytest.approx([exact_transport(cost, a, b).value.item()] * 2)
    result.value.sum().backward()
    assert torch.equal(padded.grad, result.plan)
    assert padded.grad[0, 4:].abs().sum() == 0 == of_a.grad[0, 4:].abs().sum()


def test_giving_up_is_said_as_data(make_case: Any) -> None:
    case = make_case(7, 30, 30, 10.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = exact_transport(*case.tensors(), max_iterations=1)
    assert not bool(result.converged)


def test_impossible_problems_are_refused() -> None:
    mass = torch.full((1, 2), 0.5)
    with pytest.raises(ProblemError, match="problem 0"):
        exact_transport(torch.zeros(1, 2, 2), mass, 2 * mass)
