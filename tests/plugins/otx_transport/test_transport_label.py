from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import ot
import pytest
import torch

from otx.config.validation import SettingError
from otx.testing import check_objective, example_pair
from otx.types import MissingViewError
from otx.views import Reference, States
from otx_transport.options import TransportLabelOptions
from otx_transport.transport_label import TransportLabel
from tests import oracles

DIMENSION = 8
EPSILON, TEMPERATURE = 0.2, 0.3


def _objective(**changes: Any) -> Any:
    changes = {"epsilon": EPSILON, "temperature": TEMPERATURE} | changes
    return TransportLabel(TransportLabelOptions(**changes), DIMENSION)


def _log_softmax(scores: Any, axis: Any) -> Any:
    return scores - np.log(np.exp(scores).sum(axis, keepdims=True))


def _plans(pair: Any, problems: Any, distances: Any, options: Any) -> Any:
    plans = []
    for x, y, a, b in problems(pair, options):
        plan = ot.bregman.sinkhorn_knopp(
            a, b, distances("cosine", x, y), EPSILON, numItermax=100_000, stopThr=1e-12, warn=False
        )
        plans.append(oracles.balanced(plan, a, b))
    return plans


@pytest.mark.parametrize("labels", ["own", "reference"])
@pytest.mark.parametrize("scope", ["sentence", "batch"])
def test_value_and_gradient_are_those_of_pots_plan(
    labels: str, scope: str, problems: Any, distances: Any, double_pair: Any, same_slope: Any
) -> None:
    objective = _objective(labels=labels, scope=scope, tolerance=1e-10)
    pair = double_pair(objective.views, DIMENSION, lengths=((3, 2), (2, 4)))
    initial = pair[Reference] if labels == "reference" else pair
    labelled = replace(pair, source=initial.source, pivot=initial.pivot)
    plans = _plans(labelled, problems, distances, objective.options)

    def twin(moved: Any) -> Any:
        values = []
        for plan, (x, y, _, _) in zip(plans, problems(moved, objective.options), strict=True):
            scores = (1 - distances("cosine", x, y)) / TEMPERATURE
            told = _log_softmax(scores, 1) + _log_softmax(scores, 0)
            values.append(-(plan * told).sum() / 2)
        return np.mean(values)

    assert objective(pair).value.item() == pytest.approx(twin(pair), abs=1e-7)
    same_slope(objective, pair, twin)


def test_sure_and_right_words_are_at_the_plans_entropy() -> None:
    objective = _objective(epsilon=0.01, temperature=0.01)
    pair = example_pair(objective.views, 16, lengths=((4, 4),))
    for side in (pair.source, pair.pivot):
        side.tokens = {-1: torch.eye(16)[side.word_index.clamp(min=0)].requires_grad_()}
    assert objective(pair).value.item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("labels", ["own", "reference"])
@pytest.mark.parametrize("scope", ["sentence", "batch"])
def test_it_keeps_the_contract(labels: str, scope: str) -> None:
    check_objective(lambda: _objective(labels=labels, scope=scope), dimension=DIMENSION)


def test_without_the_frozen_encoder_it_says_so() -> None:
    objective = _objective(labels="reference")
    pair = example_pair({States()}, DIMENSION)
    with pytest.raises(MissingViewError, match="no view Reference"):
        objective(pair)


@pytest.mark.parametrize(
    "changes", [{"temperature": 0.0}, {"labels": "reference", "marginals": "norm"}]
)
def test_impossible_options_are_refused(changes: Any) -> None:
    with pytest.raises(SettingError):
        TransportLabelOptions(**changes)
