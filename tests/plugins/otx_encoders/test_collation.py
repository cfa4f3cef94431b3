"""Padding of rows in one pass, against a loop over rows."""

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.types import TokenRow
from otx_encoders.collation import collate
from tests.examples import examples

PAD = 1
ROW = st.lists(st.tuples(st.integers(2, 90), st.integers(-1, 6)), min_size=1, max_size=9).map(
    lambda cells: TokenRow([i for i, _ in cells], [w for _, w in cells], 0, 0)
)


def collate_in_a_loop(rows: list[TokenRow]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    width = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), width), PAD)
    index, mask = torch.full_like(ids, -1), torch.zeros_like(ids, dtype=torch.bool)
    for number, row in enumerate(rows):
        length = len(row.ids)
        ids[number, :length] = torch.tensor(row.ids)
        index[number, :length] = torch.tensor(row.word_index)
        mask[number, :length] = True
    return ids, mask, index


@examples(50)
@given(st.lists(ROW, min_size=1, max_size=6))
def test_the_batch_is_that_of_a_loop(rows: Any) -> None:
    batch = collate(rows, PAD, torch.device("cpu"))
    for one, other in zip((batch.ids, batch.mask, batch.word_index), collate_in_a_loop(rows), strict=True):
        assert one.dtype == other.dtype and torch.equal(one, other)
    assert batch.lengths == [len(row.ids) for row in rows]
    assert batch.word_counts == [max(row.word_index) + 1 for row in rows]
