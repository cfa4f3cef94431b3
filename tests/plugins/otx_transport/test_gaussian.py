from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import ot
import pytest

from otx.config.validation import SettingError
from otx.testing import check_objective, example_pair
from otx_transport.gaussian import SCALES, Gaussian
from otx_transport.options import GaussianOptions

DIMENSION = 6


def _objective(**changes: Any) -> Any:
    return Gaussian(GaussianOptions(**changes), DIMENSION)


def _gaussians(x: Any, y: Any, a: Any, b: Any) -> Any:
    """POT's Bures-Wasserstein distance between diagonal Gaussians with these moments."""
    means = a @ x, b @ y
    spreads = [np.diag(w @ (p - m) ** 2) for p, w, m in zip((x, y), (a, b), means, strict=True)]
    return float(ot.gaussian.bures_wasserstein_distance(*means, *spreads)) ** 2


def _mmd(x: Any, y: Any, a: Any, b: Any, width: Any) -> Any:
    def mean(u: Any, v: Any, p: Any, q: Any) -> Any:
        total = 0.0
        for i in range(len(u)):
            for j in range(len(v)):
                gap = ((u[i] - v[j]) ** 2).sum()
                total += p[i] * q[j] * np.mean([c * width / (c * width + gap) for c in SCALES])
        return total

    return mean(x, x, a, a) + mean(y, y, b, b) - 2 * mean(x, y, a, b)


@pytest.mark.parametrize("scope", ["sentence", "batch"])
@pytest.mark.parametrize("normalise", [True, False])
def test_value_and_gradient_are_the_formulas(
    scope: str, normalise: bool, problems: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(scope=scope, normalise=normalise, mmd=0.5)
    pair = double_pair(objective.views, DIMENSION, lengths=((5, 4), (3, 3)))
    widths = []

    def twin(moved: Any) -> Any:
        values = []
        for number, (x, y, a, b) in enumerate(problems(moved, objective.options)):
            if normalise:
                x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y))
            if len(widths) <= number:
                widths.append(a @ ((x[:, None] - y[None]) ** 2).sum(2) @ b)
            values.append(_gaussians(x, y, a, b) + 0.5 * _mmd(x, y, a, b, widths[number]))
        return np.mean(values)

    assert objective(pair).value.item() == pytest.approx(twin(pair), rel=1e-5)
    same_slope(objective, pair, twin, rel=1e-4)


def test_equal_sides_are_at_nothing_and_single_words_have_a_gradient() -> None:
    pair = example_pair(_objective().views, DIMENSION)
    pair = replace(pair, pivot=pair.source)
    assert _objective()(pair).value.item() == pytest.approx(0, abs=1e-6)
    alone = example_pair(_objective().views, DIMENSION, lengths=((1, 1),))
    _objective()(alone).value.backward()
    assert alone.source.tokens[-1].grad.isfinite().all()


@pytest.mark.parametrize("scope", ["sentence", "batch"])
def test_it_keeps_the_contract(scope: str) -> None:
    check_objective(lambda: _objective(scope=scope), dimension=DIMENSION)


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(SettingError, match="must be at least 0"):
        GaussianOptions(mmd=-1)
