from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from geomloss import SamplesLoss
from hypothesis import given
from hypothesis import strategies as st

from otx.ot.costs.ground import COSTS, cosine, euclidean, half_squared_euclidean
from otx.ot.problems.masses import uniform
from otx.ot.solvers.divergence import divergence
from otx.ot.solvers.sinkhorn import sinkhorn
from otx.ot.solvers.unbalanced import unbalanced
from tests import oracles
from tests.examples import examples

SEEDS = st.integers(0, 2**31)
NAMES = st.sampled_from(list(COSTS))
TAUS = st.sampled_from([None, 0.5])


def _sides(seed: int, n: int = 6, m: int = 8, dtype: Any = torch.float64) -> Any:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, n, 5, generator=generator, dtype=dtype)
    y = torch.randn(1, m, 5, generator=generator, dtype=dtype) + 0.5
    a, b = (torch.rand(1, k, generator=generator, dtype=dtype) + 0.1 for k in (n, m))
    return x, y, a / a.sum(), b / b.sum()


@examples(30)
@given(SEEDS, NAMES, TAUS, st.floats(0.02, 2))
def test_it_is_the_cross_value_less_half_of_each_self_value(
    seed: int, name: str, tau: Any, epsilon: float
) -> None:
    x, y, a, b = _sides(seed)
    cost = COSTS[name]

    def transport(p: Any, q: Any, of_p: Any, of_q: Any) -> Any:
        if tau is None:
            result = sinkhorn(cost(p, q), of_p, of_q, epsilon=epsilon, tolerance=1e-9)
        else:
            result = unbalanced(cost(p, q), of_p, of_q, epsilon=epsilon, tau=tau, tolerance=1e-9)
        return result.value.item()

    result = divergence(x, y, a, b, cost=cost, epsilon=epsilon, tau=tau)
    expected = transport(x, y, a, b) - transport(x, x, a, a) / 2 - transport(y, y, b, b) / 2
    assert result.value.item() == pytest.approx(expected, abs=1e-6)
    assert result.value.item() >= -1e-7
    for part in (result.cross, result.left, result.right):
        assert bool(part.converged)


@pytest.mark.parametrize("name", list(COSTS))
@pytest.mark.parametrize("tau", [None, 0.5])
def test_equal_sides_are_at_zero_with_no_gradient(name: str, tau: Any) -> None:
    x, _, a, _ = _sides(0, dtype=torch.float32)
    order = torch.tensor([3, 1, 0, 5, 4, 2])
    x.requires_grad_()
    result = divergence(
        x, x[:, order].detach(), a, a[:, order], cost=COSTS[name], epsilon=0.1, tau=tau
    )
    result.value.sum().backward()
    assert result.value.item() == pytest.approx(0, abs=1e-6)
    assert x.grad.abs().max() < 1e-5


def test_two_diracs_are_at_their_cost() -> None:
    x, y = torch.tensor([[[0.0, 0.0]]]), torch.tensor([[[3.0, 4.0]]])
    one = torch.ones(1, 1)
    for epsilon in (0.01, 1.0, 100.0):
        near = divergence(x, y, one, one, cost=euclidean, epsilon=epsilon)
        assert near.value.item() == pytest.approx(5, rel=1e-6)


def test_diracs_of_unequal_mass_in_closed_form() -> None:
    """At one point, without cost, OT is epsilon KL(p | ab) + tau KL(p | a) + tau KL(p | b) at its
    minimum over p, which one finds by hand."""
    epsilon, tau, a, b = 0.3, 0.8, 2.0, 0.5

    def kl(p: Any, q: Any) -> Any:
        return p * np.log(p / q) - p + q

    def optimum(s: Any, t: Any) -> Any:
        log = (epsilon * np.log(s * t) + tau * np.log(s) + tau * np.log(t)) / (epsilon + 2 * tau)
        p = np.exp(log)
        return epsilon * kl(p, s * t) + tau * kl(p, s) + tau * kl(p, t)

    expected = optimum(a, b) - optimum(a, a) / 2 - optimum(b, b) / 2 + epsilon / 2 * (a - b) ** 2
    point = torch.zeros(1, 1, 2, dtype=torch.float64)
    result = divergence(
        point, point, torch.tensor([[a]]).double(), torch.tensor([[b]]).double(),
        cost=euclidean, epsilon=epsilon, tau=tau,
    )  # fmt: skip
    assert result.value.item() == pytest.approx(expected, abs=1e-9)
    assert result.value.item() > 0


@examples(20)
@given(SEEDS, NAMES, TAUS, st.floats(0.05, 2))
def test_gradients_equal_finite_differences(seed: int, name: str, tau: Any, epsilon: float) -> None:
    x, y, a, b = _sides(seed, 3, 4)
    settings_ = {"cost": COSTS[name], "epsilon": epsilon, "tau": tau, "tolerance": 1e-10}
    generator = torch.Generator().manual_seed(seed)
    moves = [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in (x, y, a, b)]
    moves[2:] = [0.1 * (move - move.mean()) * a.min() for move in moves[2:]]
    inputs = [tensor.requires_grad_() for tensor in (x, y, a, b)]
    gradients = torch.autograd.grad(divergence(*inputs, **settings_).value.sum(), inputs)
    for which, (by, move) in enumerate(zip(gradients, moves, strict=True)):
        values = []
        for step in (1e-4, -1e-4):
            moved = [tensor.detach().clone() for tensor in inputs]
            moved[which] += step * move
            values.append(divergence(*moved, **settings_).value.item())
        numeric = (values[0] - values[1]) / 2e-4
        assert (by * move).sum().item() == pytest.approx(numeric, rel=1e-3, abs=1e-5)


def test_padding_gets_exactly_no_gradient_and_changes_nothing() -> None:
    x, y, a, b = _sides(1, dtype=torch.float32)
    alone = divergence(x, y, a, b, cost=cosine, epsilon=0.05)
    wide_x = torch.cat((x, torch.randn(1, 3, 5)), 1).requires_grad_()
    wide_y = torch.cat((y, torch.zeros(1, 4, 5)), 1).requires_grad_()
    wide_a, wide_b = torch.nn.functional.pad(a, (0, 3)), torch.nn.functional.pad(b, (0, 4))
    for cost in COSTS.values():
        alone = divergence(x, y, a, b, cost=cost, epsilon=0.5)
        result = divergence(wide_x, wide_y, wide_a, wide_b, cost=cost, epsilon=0.5)
        by_x, by_y = torch.autograd.grad(result.value.sum(), (wide_x, wide_y))
        assert result.value.item() == pytest.approx(alone.value.item(), abs=1e-6)
        assert (by_x[:, 6:] == 0).all()
        assert (by_y[:, 8:] == 0).all()
        assert by_x[:, :6].abs().sum() > 0


def test_autocast_changes_little() -> None:
    x, y, a, b = _sides(2, dtype=torch.float32)
    full = divergence(x, y, a, b, cost=half_squared_euclidean, epsilon=0.5)
    with torch.autocast("cpu", torch.bfloat16):
        same = divergence(x, y, a, b, cost=half_squared_euclidean, epsilon=0.5)
        half = divergence(
            x.bfloat16(), y.bfloat16(), uniform(a > 0), uniform(b > 0), cost=cosine, epsilon=0.1
        )
    assert same.value.item() == pytest.approx(full.value.item(), abs=1e-6)
    assert half.cross.mass.item() == pytest.approx(1, abs=1e-4)


def _annealed_far_enough(
    loss: Any, x: Any, y: Any, a: Any, b: Any, epsilon: float, tau: Any
) -> None:
    """Check that the plan of GeomLoss's potentials, which its value is made of, is a solution."""
    f, g = loss(a, x, b, y)
    cost = half_squared_euclidean(x[None], y[None])[0]
    plan = torch.exp((f.view(-1, 1) + g.view(-1) - cost) / epsilon) * a[:, None] * b
    if tau is None:
        oracles.balanced(plan, a.numpy(), b.numpy(), tolerance=1e-4)
    else:
        masses = a.numpy(), b.numpy()
        oracles.relaxed(plan, *masses, cost.numpy(), epsilon, tau, tolerance=1e-4)


@pytest.mark.parametrize("reach", [None, 1.0])
def test_it_is_what_geomloss_comes_to_when_it_anneals_slowly(reach: Any) -> None:
    x, y, a, b = _sides(3, n=9, m=12)
    blur = 2.0
    options = {"p": 2, "blur": blur, "scaling": 0.9998, "reach": reach, "backend": "tensorized"}
    theirs = SamplesLoss("sinkhorn", **options)
    biased = SamplesLoss("sinkhorn", **options, debias=False, potentials=True)
    _annealed_far_enough(biased, x[0], y[0], a[0], b[0], blur**2, reach and reach**2)
    ours = divergence(
        x, y, a, b, cost=half_squared_euclidean, epsilon=blur**2,
        tau=None if reach is None else reach**2, tolerance=1e-9,
    )  # fmt: skip
    assert ours.value.item() == pytest.approx(theirs(a[0], x[0], b[0], y[0]).item(), rel=1e-4)


@pytest.mark.parametrize("epsilon", [0.2, 1.0])
def test_gaussians_in_closed_form(epsilon: float) -> None:
    """Janati, Muzellec, Peyre, Cuturi, NeurIPS 2020, theorem 1, on a fine grid; epsilon is their 2 sigma^2."""
    points = torch.linspace(-9, 9, 361, dtype=torch.float64)
    first, second, shift = 1.0, 0.6, 0.8

    def bell(centre: Any, deviation: Any) -> Any:
        weights = torch.exp(-((points - centre) ** 2) / (2 * deviation**2))
        return (weights / weights.sum())[None]

    cloud = points[None, :, None]
    found = divergence(
        cloud, cloud, bell(0.0, first), bell(shift, second), cost=COSTS["squared-euclidean"],
        epsilon=epsilon, tolerance=1e-9, max_iterations=500,
    )  # fmt: skip

    def closed(s: Any, t: Any, distance: Any) -> Any:
        half = epsilon / 2
        root = np.sqrt(4 * s**2 * t**2 + half**2)
        entropy = half * (1 - np.log(2 * half)) + half * np.log(root + half)
        return distance**2 + s**2 + t**2 - root + entropy

    cross = closed(first, second, shift)
    assert found.cross.value.item() == pytest.approx(cross, abs=1e-6)
    itself = closed(first, first, 0.0) + closed(second, second, 0.0)
    assert found.value.item() == pytest.approx(cross - itself / 2, abs=1e-6)
