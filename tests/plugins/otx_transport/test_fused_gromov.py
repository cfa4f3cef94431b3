from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import ot
import pytest
import torch

from otx.config.validation import SettingError
from otx.testing import check_objective, example_pair
from otx_transport.fused_gromov import FusedGromov
from otx_transport.options import FusedGromovOptions, SinkhornOptions
from otx_transport.sinkhorn import Sinkhorn
from tests import oracles

DIMENSION = 8


def _objective(**changes: Any) -> Any:
    return FusedGromov(FusedGromovOptions(**changes), DIMENSION)


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_value_and_gradient_are_pots(
    alpha: float, problems: Any, distances: Any, kl: Any, double_pair: Any, same_slope: Any
) -> None:
    epsilon = 0.5
    objective = _objective(epsilon=epsilon, alpha=alpha, tolerance=1e-9, max_iterations=500)
    pair = double_pair(objective.views, DIMENSION, lengths=((3, 2), (2, 4)))

    def twin(moved: Any) -> Any:
        values = []
        for x, y, a, b in problems(moved, objective.options):
            c, d, e = (distances("cosine", *p) for p in ((x, y), (x, x), (y, y)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                plan, log = ot.gromov.entropic_fused_gromov_wasserstein(
                    c, d, e, a, b, epsilon=epsilon, alpha=alpha, max_iter=1001, tol=1e-12,
                    log=True, stopThr=1e-12, numItermax=10_000,
                )  # fmt: skip
            plan = oracles.balanced(plan, a, b)
            values.append(log["fgw_dist"] + epsilon * kl(plan, np.outer(a, b)))
        return np.mean(values)

    assert objective(pair).value.item() == pytest.approx(twin(pair), abs=1e-6)
    same_slope(objective, pair, twin, step=1e-4, rel=1e-3)


def test_without_structure_it_is_sinkhorn_not_debiased() -> None:
    pair = example_pair(_objective().views, DIMENSION)
    sinkhorn = Sinkhorn(SinkhornOptions(debias=False), DIMENSION)(pair).value.item()
    assert _objective(alpha=0.0)(pair).value.item() == pytest.approx(sinkhorn, abs=1e-5)


def test_structure_alone_does_not_see_a_turn_of_one_side() -> None:
    objective = _objective(alpha=1.0)
    pair = example_pair(objective.views, DIMENSION)
    before = objective(pair).value.item()
    turn = torch.linalg.qr(torch.randn(DIMENSION, DIMENSION)).Q
    pair.pivot.tokens = {-1: pair.pivot.tokens[-1] @ turn}
    assert objective(pair).value.item() == pytest.approx(before, abs=1e-5)


def test_it_keeps_the_contract() -> None:
    check_objective(lambda: _objective(), dimension=DIMENSION)


@pytest.mark.parametrize("alpha", [-0.1, 1.1])
def test_an_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(SettingError, match="must be from 0 to 1"):
        FusedGromovOptions(alpha=alpha)
