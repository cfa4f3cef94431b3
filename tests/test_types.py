"""Data between components: word vectors with and without the host's word counts."""

from __future__ import annotations

from dataclasses import replace

import torch

from otx.tensor_tree import map_tensors, walk_tensors
from otx.types import Sides, TokenBatch
from otx.views import Reference
from otx.views.fakes import fake_encoded


def test_word_counts_on_the_host_change_nothing() -> None:
    encoded = fake_encoded([3, 1, 5], [-1], 4, torch.Generator().manual_seed(1))
    counted, asked = encoded.words(), replace(encoded, word_counts=None).words()
    assert all(torch.equal(x, y) for x, y in zip(counted, asked, strict=True))


def test_word_counts_are_no_tensors_and_travel_with_the_batch() -> None:
    ids = torch.zeros(2, 3, dtype=torch.long)
    batch = TokenBatch(ids, ids > 0, ids, word_counts=[1, 2])
    assert [place for place, _ in walk_tensors(batch)] == [("ids",), ("mask",), ("word_index",)]
    assert map_tensors(lambda tensor: tensor + 1, batch).word_counts == [1, 2]
    assert batch.to(torch.device("cpu")).word_counts == [1, 2]


def test_selected_pairs_keep_their_word_counts() -> None:
    encoded = fake_encoded([3, 1, 5], [-1], 4, torch.Generator().manual_seed(1))
    sides = Sides(encoded, encoded)
    selected = Reference.select(sides, slice(0, 2), 3)
    assert selected.pivot.word_counts == (3, 1)
    assert selected.pivot.words()[0].shape == (2, 3, 4)
