from __future__ import annotations

import math

import pytest
import torch

from otx.ot.problems.marginals import BALANCED
from otx.ot.solvers.implicit import differentiable_plan
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.solvers.unbalanced import unbalanced

TAUS = [BALANCED, (0.5, 0.5), (0.2, 3.0), (math.inf, 0.4), (0.4, math.inf)]


def _solve(cost, a, b, epsilon, tau):
    if tau == BALANCED:
        return sinkhorn(cost, a, b, epsilon=epsilon, tolerance=1e-13)
    return unbalanced(cost, a, b, epsilon=epsilon, tau=tau, tolerance=1e-13)


def _plan(cost, a, b, epsilon, tau):
    solved = _solve(cost.detach(), a.detach(), b.detach(), epsilon, tau)
    return differentiable_plan(solved, cost, a, b, epsilon=epsilon, tau=tau)


@pytest.mark.parametrize("tau", TAUS)
@pytest.mark.parametrize("shape", [(4, 6), (6, 4), (1, 3)])
def test_the_gradient_by_the_cost_is_that_of_finite_differences(make_case, tau, shape):
    case = make_case(0, *shape, 15.0)
    cost, a, b = case.tensors(torch.float64)
    cost.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda c: _plan(c, a, b, case.epsilon, tau), cost, eps=1e-6, atol=1e-5, nondet_tol=1e-10
    )


@pytest.mark.parametrize("tau", TAUS)
def test_the_gradient_by_the_masses_is_that_of_finite_differences(make_case, tau):
    case = make_case(1, 4, 5, 10.0)
    cost, a, b = case.tensors(torch.float64)

    def plan(p, q):
        if tau == BALANCED:
            # Both sides of one total, as the balanced problem wants them.
            p, q = p / p.sum(), q / q.sum()
        return _plan(cost, p, q, case.epsilon, tau)

    inputs = a.requires_grad_(), b.requires_grad_()
    assert torch.autograd.gradcheck(plan, inputs, eps=1e-6, atol=1e-5, nondet_tol=1e-10)


@pytest.mark.parametrize("tau", [BALANCED, (0.5, 0.2)])
def test_it_equals_autograd_through_a_thousand_iterations(make_case, tau):
    case = make_case(2, 6, 5, 12.0)
    cost, a, b = case.tensors(torch.float64)
    weight = torch.randn(cost.shape, generator=torch.Generator().manual_seed(0)).double()
    j, k = (case.epsilon / strength for strength in tau)

    def unrolled(cost):
        v = torch.zeros_like(b)
        for _ in range(1000):
            rows = torch.logsumexp((b.log() + v)[:, None, :] - cost / case.epsilon, 2)
            u = -rows / (1 + j)
            columns = torch.logsumexp((a.log() + u)[:, :, None] - cost / case.epsilon, 1)
            v = -columns / (1 + k)
        scale = (a.log() + u)[:, :, None] + (b.log() + v)[:, None, :]
        return torch.exp(scale - cost / case.epsilon)

    gradients = []
    for plan in (unrolled, lambda c: _plan(c, a, b, case.epsilon, tau)):
        cost = cost.detach().requires_grad_()
        (plan(cost) * weight).sum().backward()
        gradients.append(cost.grad)
    assert torch.allclose(*gradients, atol=1e-9)


def test_padding_gets_nothing_and_half_the_batch_does_not_matter(make_case):
    case = make_case(3, 3, 4, 10.0)
    core, a, b = case.tensors(torch.float64)
    cost = torch.full((2, 5, 6), torch.nan).double()
    cost[0, :3, :4], cost[1, 2:, 1:5] = core[0], core[0]
    of_a, of_b = torch.zeros(2, 5).double(), torch.zeros(2, 6).double()
    of_a[0, :3], of_a[1, 2:], of_b[0, :4], of_b[1, 1:5] = a[0], a[0], b[0], b[0]
    inputs = [tensor.requires_grad_() for tensor in (cost, of_a, of_b)]
    (_plan(*inputs, case.epsilon, BALANCED).square()).sum().backward()
    alone = core.requires_grad_()
    _plan(alone, a, b, case.epsilon, BALANCED).square().sum().backward()
    assert torch.allclose(cost.grad[0, :3, :4], alone.grad[0])
    assert torch.allclose(cost.grad[1, 2:, 1:5], alone.grad[0])
    assert cost.grad[0, 3:].abs().sum() == 0 == of_a.grad[1, :2].abs().sum()


def test_the_gradient_of_the_cost_under_the_plan_is_the_value_s_and_the_plan_s_share(make_case):
    """<P(C), C> moves by P, which the envelope knows, and by what the plan itself does."""
    case = make_case(4, 5, 5, 8.0)
    cost, a, b = case.tensors(torch.float64)
    cost.requires_grad_()
    (_plan(cost, a, b, case.epsilon, BALANCED) * cost).sum().backward()
    own = _solve(cost.detach(), a, b, case.epsilon, BALANCED)
    step, moved = 1e-6, torch.zeros_like(cost)
    for i in range(5):
        for j in range(5):
            nudge = torch.zeros_like(cost)
            nudge[0, i, j] = step
            up, down = (
                _solve(cost.detach() + sign * nudge, a, b, case.epsilon, BALANCED).plan
                for sign in (1, -1)
            )
            moved[0, i, j] = ((up - down) / (2 * step) * cost.detach()).sum()
    assert torch.allclose(cost.grad, own.plan + moved, atol=1e-6)
