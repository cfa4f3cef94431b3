"""Nearest neighbours in tiles, against the whole table of cosines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from otx.links import neighbours as module
from otx.links.mining import mine
from otx.links.neighbours import (
    csls_nearest,
    mutual_neighbours,
    nearest_rows,
    neighbours,
    retrieve,
)
from tests.examples import examples

SEEDS, SIZES = st.integers(0, 2**31), st.integers(1, 25)


def cosine_similarity(x: Tensor, y: Tensor) -> Tensor:
    """The whole table."""
    return functional.normalize(x, dim=1) @ functional.normalize(y, dim=1).mT


def csls(cosine: Tensor, count: int) -> Tensor:
    """CSLS of the whole table."""
    rows = cosine.topk(min(count, cosine.shape[1]), dim=1).values.mean(1)
    columns = cosine.topk(min(count, cosine.shape[0]), dim=0).values.mean(0)
    return 2 * cosine - rows[:, None] - columns[None, :]


@contextmanager
def tiles(rows: int, columns: int, group: int = 4) -> Iterator[None]:
    """Tiles so small that every table has several."""
    before = module.ROWS, module.COLUMNS, module.GROUP
    module.ROWS, module.COLUMNS, module.GROUP = rows, columns, group
    try:
        yield
    finally:
        module.ROWS, module.COLUMNS, module.GROUP = before


@given(SEEDS, SIZES, st.integers(1, 12))
def test_csls_against_brute_force(seed: int, count: int, neighbours: int) -> None:
    """The oracle of the other tests."""
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(2, count, 5))
    k = min(neighbours, count)

    def cos(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    table = np.array([[cos(a, b) for b in y] for a in x])
    expected = np.empty_like(table)
    for i in range(count):
        for j in range(count):
            near_x = np.mean(sorted(table[i], reverse=True)[:k])
            near_y = np.mean(sorted(table[:, j], reverse=True)[:k])
            expected[i, j] = 2 * table[i, j] - near_x - near_y
    result = csls(cosine_similarity(torch.tensor(x), torch.tensor(y)), neighbours)
    np.testing.assert_allclose(result, expected, atol=1e-12)


def test_a_collapsed_encoder_scores_chance_and_a_broken_one_nothing() -> None:
    own, ones = torch.arange(50), torch.ones(50, 3)
    for x, y, right in ((ones, torch.ones(80, 3), 1), (ones * torch.nan, ones * torch.nan, 0)):
        found = retrieve(x, y, 3)
        assert (found.to_y == own).sum() == right
        assert (found.csls_to_y == own).sum() == right
        assert torch.equal(nearest_rows(x, y), found.to_y)


@examples(20)
@given(SEEDS, SIZES, SIZES, st.booleans())
def test_of_equal_cosines_the_first_counts_in_any_tiles(
    seed: int, rows: int, columns: int, nan: bool
) -> None:
    # Cosines of vectors of 0 and 1 are often equal, and exactly so in float64 for any tile.
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randint(2, (size, 3), generator=generator).double() for size in (rows, columns))
    expected = cosine_similarity(x, y).argmax(1)
    if nan:
        x[0], expected[0] = torch.nan, -1
    with tiles(4, 8):
        assert nearest_rows(x, y).tolist() == expected.tolist()
        assert retrieve(x, y, 3).to_y.tolist() == expected.tolist()
        assert retrieve(y, x, 3).to_x.tolist() == expected.tolist()


@examples(20)
@given(SEEDS, SIZES, SIZES, st.integers(1, 12), st.booleans())
def test_in_tiles_is_as_at_once(seed: int, rows: int, columns: int, count: int, nan: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(size, 5, generator=generator).double() for size in (rows, columns))
    table = cosine_similarity(x, y)
    scaled = csls(table, count)
    best = table.topk(min(count, columns), dim=1), table.mT.topk(min(count, rows), dim=1)
    with tiles(4, 8):
        for found, expected in zip(mutual_neighbours(x, y, count), best, strict=True):
            torch.testing.assert_close(found.cosines, expected.values)
            assert torch.equal(found.places, expected.indices)
        assert torch.equal(neighbours(x, y, count).places, best[0].indices)
        assert torch.equal(csls_nearest(x, y, count), scaled.argmax(1))
        found = retrieve(x, y, count)
        assert torch.equal(found.to_y, table.argmax(1))
        assert torch.equal(found.to_x, table.argmax(0))
        assert torch.equal(found.csls_to_y, scaled.argmax(1))
        assert torch.equal(found.csls_to_x, scaled.argmax(0))
        if nan:
            # Beside broken vectors the others find what they find without them.
            broken = torch.full((1, 5), torch.nan).double()
            again = retrieve(torch.cat([x, broken]), torch.cat([broken, y]), count)
            assert again.csls_to_y[-1] == again.to_y[-1] == again.to_x[0] == -1
            assert torch.equal(again.csls_to_y[:-1], scaled.argmax(1) + 1)
            assert torch.equal(again.csls_to_x[1:], scaled.argmax(0))
            assert torch.equal(again.to_y[:-1], table.argmax(1) + 1)


def test_nothing_has_no_neighbours() -> None:
    x, none = torch.ones(2, 3), torch.empty(0, 3)
    assert nearest_rows(x, none).tolist() == [-1, -1] and nearest_rows(none, x).tolist() == []
    assert csls_nearest(x, none, 2).tolist() == [-1, -1]
    assert csls_nearest(none, x, 2).tolist() == [] and mine(x, none, 2) == []
    assert neighbours(x, none, 2).cosines.shape == (2, 0)


def test_a_zero_vector_has_cosine_0_with_all() -> None:
    assert neighbours(torch.zeros(2, 3), torch.ones(2, 3), 1).cosines.tolist() == [[0], [0]]


def test_half_precision_is_kept_on_disk_only() -> None:
    x, y = torch.randn(2, 30, 8, generator=torch.Generator().manual_seed(1)).half()
    found = neighbours(x, y, 3)
    assert found.cosines.dtype == torch.float32
    assert torch.equal(found.places, neighbours(x.float(), y.float(), 3).places)


class Sizes(TorchDispatchMode):
    """Notes the largest tensor, in bytes, that any operation makes."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, given: Any = (), named: Any = None
    ) -> Any:
        result = function(*given, **(named or {}))
        for one in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(one, Tensor):
                self.largest = max(self.largest, one.untyped_storage().nbytes())
        return result


@pytest.mark.parametrize("search", [mutual_neighbours, retrieve, csls_nearest, mine])
def test_memory_is_that_of_a_tile_and_of_the_result(search: Any) -> None:
    """The largest tensor is a tile, or has a number for each neighbour of each vector, or is given."""
    x, y = torch.randn(2, 3_000, 4, generator=torch.Generator().manual_seed(2))
    with tiles(128, 256, 32), Sizes() as sizes:
        search(x, y, 4)
    # A tile's candidates stand beside the best four so far.
    tile, result = 4 * (256 * (128 + 4)), 8 * 3_000 * 4
    assert sizes.largest <= max(tile, result)
    assert sizes.largest < 4 * 3_000 * 3_000 / 100
