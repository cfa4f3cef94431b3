from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.data.noise import partners
from otx.errors import UsageError


@given(st.integers(2, 200), st.floats(0.01, 1), st.integers(0, 10))
def test_the_chosen_exchange_and_no_other_moves(count: int, wrong: float, seed: int) -> None:
    moved = round(wrong * count)
    if moved < 2:
        with pytest.raises(UsageError, match="at least 2 must exchange"):
            partners(count, wrong, seed)
        return
    whose = partners(count, wrong, seed)
    assert sorted(whose) == list(range(count))
    assert int((whose != np.arange(count)).sum()) == moved
    assert (partners(count, wrong, seed) == whose).all()


def test_another_seed_draws_others() -> None:
    assert (partners(100, 0.2, 1) != partners(100, 0.2, 2)).any()


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(UsageError, match="the share of wrong pairs is"):
        partners(10, wrong, 1)
