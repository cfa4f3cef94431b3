from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from otx.links.entmax import entmax15
from tests.examples import examples


def _by_bisection(scores: Any) -> Any:
    """The tau of the definition, sought between two bounds that enclose it."""
    halves = scores / 2

    def excess(tau: Any) -> Any:
        return (np.maximum(halves - tau, 0) ** 2).sum() - 1

    tau = brentq(excess, halves.max() - 1 - 1e-9, halves.max(), xtol=1e-15)
    return np.maximum(halves - tau, 0) ** 2


@examples(100)
@given(st.lists(st.floats(-30, 30), min_size=1, max_size=20))
def test_it_is_what_bisection_finds(values: Any) -> None:
    scores = np.array(values)
    found = entmax15(torch.tensor(scores), 0).numpy()
    assert found == pytest.approx(_by_bisection(scores), abs=1e-7)


def test_each_row_or_column_sums_to_one_and_most_entries_are_nothing() -> None:
    scores = torch.randn(3, 20, 30, generator=torch.Generator().manual_seed(0)) * 6
    for dim in (1, 2):
        shares = entmax15(scores, dim)
        assert torch.allclose(shares.sum(dim), torch.ones(()), atol=1e-5)
        assert (shares == 0).float().mean() > 0.7


def test_a_shift_changes_nothing_and_a_score_far_ahead_takes_all() -> None:
    scores = torch.tensor([1.0, 0.2, -3.0])
    assert torch.allclose(entmax15(scores + 100, 0), entmax15(scores, 0), atol=1e-5)
    assert entmax15(torch.tensor([9.0, 0.0]), 0).tolist() == [1.0, 0.0]
