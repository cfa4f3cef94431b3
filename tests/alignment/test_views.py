"""Views: given links and word weights land where they belong; masking follows BERT's shares."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.alignment.views import PairEncoder
from otx.config.schema import AlignSettings
from otx.interfaces import View
from otx.types import Encoded, Sides, TokenBatch
from otx.views import (
    Links,
    Momentum,
    PairBatch,
    Parameters,
    Reference,
    States,
    Teacher,
    ViewContext,
)
from otx.views.links import link_rows
from otx.views.masked import mask_subwords
from tests.examples import examples


def batch_of(rows: list[list[int]]) -> TokenBatch:
    index = torch.tensor(rows)
    ids = torch.full_like(index, 9)
    return TokenBatch(ids, torch.ones_like(index, dtype=torch.bool), index)


def test_links_to_lost_words_are_dropped_and_never_shifted() -> None:
    source = batch_of([[-1, 0, 0, 1, -1], [-1, 0, 2, 3, -1]])
    pivot = batch_of([[-1, 0, 1, 2, -1], [-1, 0, 1, -1, -1]])
    links = link_rows([[(0, 2), (1, 0), (2, 1)], [(1, 0), (2, 1), (3, 3)]], source, pivot)
    assert links.tolist() == [[0, 0, 2], [0, 1, 0], [1, 2, 1]]
    assert link_rows([[], []], source, pivot).shape == (0, 3)


@examples(25)
@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 30))
def test_masks_touch_only_real_subwords_and_at_least_one_a_sequence(
    seed: int, rows: int, length: int
) -> None:
    encoder: Any = SimpleNamespace(tokenizer=FakeTokenizer())
    batch = batch_of([[-1, *range(length), -1]] * rows)
    masked, picked = mask_subwords(batch, encoder, seed=seed)
    assert bool(picked.any(1).all())
    assert not bool((picked & (batch.word_index < 0)).any())
    assert torch.equal(masked.ids[~picked], batch.ids[~picked])


def test_the_shares_are_those_of_bert() -> None:
    encoder: Any = SimpleNamespace(tokenizer=FakeTokenizer())
    batch = batch_of([[-1, *range(198), -1]] * 200)
    masked, picked = mask_subwords(batch, encoder, seed=0)
    real = batch.word_index >= 0
    assert abs(picked.sum() / real.sum() - 0.15) < 0.01
    share = (masked.ids[picked] == FakeTokenizer.mask_token_id).float().mean()
    assert abs(share - 0.8) < 0.02
    assert abs((masked.ids[picked] == 9).float().mean() - 0.1) < 0.02


class Counting:
    """An encoder that counts how often each side goes through it."""

    reference, tokenizer, dimension = "counting", SimpleNamespace(mask_token_id=3), 4

    def __init__(self) -> None:
        self.module = torch.nn.Linear(1, 1)
        self.asked: list[tuple[int, ...]] = []

    def encode(self, batch: TokenBatch, layers: Sequence[int]) -> Encoded:
        self.asked.append(tuple(layers))
        states = torch.randn(*batch.ids.shape, 4)
        return Encoded({layer: states for layer in layers}, batch.mask, batch.word_index)


@pytest.mark.parametrize(
    ("views", "asked"),
    [
        ({States()}, (2, 0, 0)),
        ({States(), States(2), Reference(), Reference(2)}, (2, 2, 0)),
        ({States(), Reference(side="pivot")}, (2, 1, 0)),
        ({States(), Reference(side="pivot"), Reference(2)}, (2, 2, 0)),
        ({States(), Links()}, (2, 2, 0)),
        ({States(), Reference(), Links(), Teacher()}, (2, 2, 0)),
        ({States(), Teacher()}, (2, 1, 0)),
        ({States(), Momentum()}, (2, 0, 2)),
        ({Parameters()}, (0, 0, 0)),
    ],
)
def test_each_view_is_one_forward_pass_whoever_shares_it(
    views: set[View[Any]], asked: tuple[int, int, int]
) -> None:
    """By the encoder, the initial one (which also finds links and teaches), and the moving average."""
    encoder, initial, momentum = Counting(), Counting(), Counting()
    encoders: Any = {"trained": encoder, "reference": initial, "momentum": momentum}
    context = ViewContext(encoders, AlignSettings(), "last", [], [], lambda: [None])
    source, pivot = batch_of([[-1, 0, 1, -1]]), batch_of([[-1, 0, 0, -1]])
    pair = PairEncoder(views, context)(PairBatch(0, np.zeros(1), Sides([], []), source, pivot))
    assert tuple(len(one.asked) for one in (encoder, initial, momentum)) == asked
    assert set(pair.views) == {type(view) for view in views} - {States}
    assert pair.source.tokens.keys() == {v.layer for v in views if type(v) is States}
    if Reference in pair.views:
        for side in ("source", "pivot"):
            declared = {v.layer for v in views if isinstance(v, Reference) and side in v.sides}
            assert getattr(pair[Reference], side).tokens.keys() == declared


class FakeTokenizer:
    mask_token_id = 49_999

    def __len__(self) -> int:
        return 50_000
