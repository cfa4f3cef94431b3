"""The grid by the kernel that makes its costs, against the grid without."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from otx.ot.costs.ground import cosine
from otx.ot.problems.problem import BALANCED
from otx.ot.solvers.pairwise import pairwise_sinkhorn


def _side(batch: Any, length: Any, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(batch, length, 16, generator=generator)
    lengths = torch.randint(1, length + 1, (batch, 1), generator=generator)
    mask = torch.arange(length) < lengths
    return vectors.masked_fill(~mask[:, :, None], torch.nan), mask / lengths


@pytest.mark.parametrize("tau", [BALANCED, (0.3, 0.3)])
def test_the_kernel_changes_how_and_not_what(interpreted: Any, tau: Any) -> None:
    (x, a), (y, b) = _side(3, 6, 0), _side(2, 9, 1)
    options = {"cost": cosine, "epsilon": 0.05, "tau": tau}
    here, there = (
        pairwise_sinkhorn(x, y, a, b, **options),
        interpreted(pairwise_sinkhorn, x, y, a, b, **options),
    )
    assert bool(there.converged.all())
    assert torch.allclose(there.value, here.value, atol=1e-4)
    assert torch.allclose(there.plan, here.plan, atol=1e-4)
    assert bool((there.iterations != here.iterations).any())


def test_a_tolerance_that_float32_cannot_see(interpreted: Any) -> None:
    (x, a), (y, b) = _side(2, 4, 0), _side(2, 5, 1)
    options = {"cost": cosine, "epsilon": 0.05, "tolerance": 1e-9, "max_iterations": 60}
    here, there = (
        pairwise_sinkhorn(x, y, a, b, **options),
        interpreted(pairwise_sinkhorn, x, y, a, b, **options),
    )
    assert bool(there.converged.all())
    assert torch.allclose(there.value, here.value, atol=1e-6)
