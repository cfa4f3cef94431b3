"""Measures of a batch, with what the host knows about it and without."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from benchmarks.device_waits import counted
from otx.errors import ProblemError
from otx.testing import example_pair
from otx_transport.base import mean_loss, measure_views, measures, transported
from otx_transport.options import EntropicOptions, MeasureOptions

VARIANTS = [
    {"scope": scope, "marginals": marginals}
    for scope in ("sentence", "batch")
    for marginals in ("uniform", "norm", "idf")
]


def _pair(options: Any, *, counts: bool = True) -> Any:
    pair = example_pair(measure_views(options), 8, lengths=[(4, 2), (1, 6), (3, 3)])
    if not counts:
        pair.source.word_counts = pair.pivot.word_counts = None
    return pair


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_counts_on_the_host_save_the_waits_and_change_nothing(changes: Any) -> None:
    options = MeasureOptions(**changes)
    pair = _pair(options)
    with counted() as mode:
        known = measures(pair, options)
    assert not mode.waits
    with counted() as mode:
        unknown = measures(_pair(options, counts=False), options)
    assert mode.waits.total() >= 4
    for name in ("x", "y", "a", "b"):
        assert torch.equal(getattr(known, name), getattr(unknown, name))


def test_a_word_without_subwords_has_no_mass_where_words_are_pooled() -> None:
    options = MeasureOptions(scope="batch")
    pair = _pair(options)
    index = pair.source.word_index
    index[0][index[0] == 1] = -1
    known = measures(pair, options)
    pair.source.word_counts = None
    exact = measures(pair, options)
    assert known.a.shape[1] == exact.a.shape[1] + 1 == 8
    assert known.a[0, -1] == 0
    assert torch.equal(known.a[:, :-1], exact.a)
    assert torch.equal(known.x[:, :-1], exact.x)


@pytest.mark.parametrize("scope", ["sentence", "batch"])
def test_a_side_without_words_is_named(scope: str) -> None:
    options = MeasureOptions(scope=scope)
    pair = _pair(options)
    pair.pivot.word_index[1 if scope == "sentence" else slice(None)] = -1
    pair.pivot.word_counts = (2, 0, 3) if scope == "sentence" else (0, 0, 0)
    with pytest.raises(ProblemError, match=r"problem [01]: one side has no real word"):
        measures(pair, options)


def test_a_norm_that_is_not_a_number_is_refused_by_the_solver() -> None:
    options = EntropicOptions(marginals="norm")
    pair = _pair(options)
    pair.source.tokens[-1].detach()[1] = torch.nan
    with pytest.raises(ProblemError, match="problem 1: a mass of the first side"):
        transported(measures(pair, options), options)


def test_the_mean_waits_for_nothing() -> None:
    options = EntropicOptions()
    cross = transported(measures(_pair(options), options), options)
    with counted() as mode:
        loss = mean_loss(cross.value, cross, cross, cross)
    assert not mode.waits
    assert mode.operations <= 20
    assert loss.health["converged"] == 1
    assert loss.health["expected_mass"] == 1
    assert (loss.terms["cross"] + loss.terms["self"]).item() == pytest.approx(loss.value.item())
