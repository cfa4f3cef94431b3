from __future__ import annotations

import math

import numpy as np
import pytest

from otx.evaluation.fit_quality import judge_fit
from otx.types import Metric

ACCURACY = Metric("accuracy", lambda sums: 0.0)
ERROR = Metric("error", lambda sums: 0.0, higher_is_better=False)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_guessing_seldom_passes_and_a_reader_always_does(classes: int) -> None:
    rng = np.random.default_rng(0)
    size, baselines = 500, {"majority": 1 / classes}
    guesses = rng.binomial(size, 1 / classes, (2_000, 4)).max(1) / size
    passed = [
        judge_fit(ACCURACY, best=best, step=9, size=size, baselines=baselines).left_chance
        for best in guesses
    ]
    assert np.mean(passed) < 0.02
    readers = rng.binomial(size, 1 / classes + 0.15, 200) / size
    assert all(
        judge_fit(ACCURACY, best=best, step=9, size=size, baselines=baselines).left_chance
        for best in readers
    )


def test_the_best_baseline_counts() -> None:
    fit = judge_fit(
        ACCURACY, best=0.5, step=9, size=1_000, baselines={"majority": 0.33, "overlap": 0.49}
    )
    assert (fit.floor, fit.floor_value, fit.left_chance) == ("overlap", 0.49, False)


def test_an_error_must_be_below_its_baseline() -> None:
    baselines = {"diagonal": 0.6, "random": 0.9}
    assert judge_fit(ERROR, best=0.3, step=9, size=100, baselines=baselines).left_chance
    assert not judge_fit(ERROR, best=0.55, step=9, size=100, baselines=baselines).left_chance
    assert judge_fit(ERROR, best=0.3, step=9, size=100, baselines=baselines).floor == "diagonal"


def test_without_a_baseline_a_fit_has_left_chance_unless_its_score_is_undefined() -> None:
    assert judge_fit(ACCURACY, best=0.1, step=9, size=100, baselines={}).left_chance
    assert not judge_fit(
        ACCURACY, best=math.nan, step=9, size=100, baselines={"majority": 0.3}
    ).left_chance
