"""Batches in float64, and slopes of a twin by differences."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from otx.testing import example_pair
from otx.types import Encoded, EncodedPair, Sides
from otx.views import View


def _as_double(encoded: Encoded) -> Encoded:
    tokens = {
        layer: states.detach().double().requires_grad_() for layer, states in encoded.tokens.items()
    }
    return Encoded(tokens, encoded.mask, encoded.word_index)


def _view_as_double(value: Any) -> Any:
    """Encoded text in float64, anything else as it is."""
    if isinstance(value, Encoded):
        return _as_double(value)
    if isinstance(value, Sides) and isinstance(value.source, Encoded):
        return Sides(_as_double(value.source), _as_double(value.pivot))
    return value


@pytest.fixture(scope="session")
def double_pair() -> Callable[..., EncodedPair]:
    """A random batch in float64 whose states want gradients."""

    def make(views: Collection[View[Any]], dimension: int, **changes: Any) -> EncodedPair:
        pair = example_pair(views, dimension, **changes)
        return replace(
            pair,
            source=_as_double(pair.source),
            pivot=_as_double(pair.pivot),
            views={view: _view_as_double(value) for view, value in pair.views.items()},
        )

    return make


def _moved(pair: EncodedPair, directions: list[Tensor], step: float) -> EncodedPair:
    sides = []
    for side, direction in zip(("source", "pivot"), directions, strict=True):
        encoded = getattr(pair, side)
        ((layer, states),) = encoded.tokens.items()
        tokens = {layer: states.detach() + step * direction}
        sides.append(Encoded(tokens, encoded.mask, encoded.word_index))
    return replace(pair, source=sides[0], pivot=sides[1])


@pytest.fixture(scope="session")
def same_slope() -> Callable[..., None]:
    """Check an objective's gradient against central differences of ``twin(pair)`` along random directions."""

    def check(
        objective: Any,
        pair: EncodedPair,
        twin: Callable[[EncodedPair], float],
        *,
        step: float = 1e-5,
        rel: float = 1e-5,
        reverse: float = 1.0,
    ) -> None:
        states = [next(iter(getattr(pair, side).tokens.values())) for side in ("source", "pivot")]
        gradients = torch.autograd.grad(objective(pair).value, states)
        random = torch.Generator().manual_seed(3)
        for _ in range(3):
            directions = [torch.randn(s.shape, generator=random, dtype=s.dtype) for s in states]
            found = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))
            ahead, behind = (twin(_moved(pair, directions, s)) for s in (step, -step))
            expected = reverse * (ahead - behind) / (2 * step)
            assert found == pytest.approx(expected, rel=rel, abs=rel * 1e-2)

    return check
