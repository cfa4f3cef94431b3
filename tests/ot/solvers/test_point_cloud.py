from __future__ import annotations

from typing import Any

import pytest
import torch

from otx.ot.costs.ground import cosine, euclidean
from otx.ot.problems.masses import uniform
from otx.ot.solvers.divergence import divergence
from otx.ot.solvers.point_cloud import transport_between_points
from otx.ot.solvers.sinkhorn import sinkhorn


def _sides(n: int = 30, m: int = 40) -> Any:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, n, 6, generator=generator)
    y = torch.randn(1, m, 6, generator=generator)
    masks = torch.ones(1, n, dtype=torch.bool), torch.ones(1, m, dtype=torch.bool)
    return x, y, uniform(masks[0]), uniform(masks[1])


def test_what_fits_is_sinkhorns() -> None:
    x, y, a, b = _sides()
    found = transport_between_points(x, y, a, b, cost=euclidean, epsilon=0.3)
    assert found.value.item() == sinkhorn(euclidean(x, y), a, b, epsilon=0.3).value.item()


@pytest.mark.parametrize("cost", [cosine, euclidean])
def test_tiles_change_neither_the_divergence_nor_its_gradient(
    monkeypatch: pytest.MonkeyPatch, cost: Any
) -> None:
    pulls, values = [], []
    for largest in (10**9, 100):
        monkeypatch.setattr("otx.ot.solvers.point_cloud.LARGEST_COST", largest)
        monkeypatch.setattr("otx.ot.solvers.tiled.TILE", 200)
        x, y, a, b = _sides()
        x.requires_grad_(), y.requires_grad_()
        solved = divergence(x, y, a, b, cost=cost, epsilon=0.3, max_iterations=500)
        assert bool(solved.cross.converged & solved.left.converged & solved.right.converged)
        pulls.append(torch.autograd.grad(solved.value.sum(), (x, y)))
        values.append(solved.value.item())
    assert values[0] == pytest.approx(values[1], abs=1e-6)
    for one, other in zip(*pulls, strict=True):
        assert torch.allclose(one, other, atol=1e-6)
