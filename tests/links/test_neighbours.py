import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.links import neighbours as module
from otx.links.neighbours import (
    cosine_similarity,
    csls,
    csls_nearest,
    nearest,
    nearest_rows,
    neighbours,
)


@given(st.integers(0, 2**31), st.integers(1, 25), st.integers(1, 12))
def test_csls_against_brute_force(seed: int, count: int, neighbours: int) -> None:
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(2, count, 5))
    k = min(neighbours, count)

    def cos(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    table = np.array([[cos(a, b) for b in y] for a in x])
    wanted = np.empty_like(table)
    for i in range(count):
        for j in range(count):
            near_x = np.mean(sorted(table[i], reverse=True)[:k])
            near_y = np.mean(sorted(table[:, j], reverse=True)[:k])
            wanted[i, j] = 2 * table[i, j] - near_x - near_y
    found = csls(cosine_similarity(torch.tensor(x), torch.tensor(y)), neighbours)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 6))
def test_nearest_are_numpys_first_maxima(seed: int, count: int, values: int) -> None:
    table = np.random.default_rng(seed).integers(values, size=(count, count)).astype(np.float32)
    assert nearest(torch.tensor(table)).tolist() == table.argmax(1).tolist()


def test_a_collapsed_encoder_scores_chance_and_a_broken_one_nothing() -> None:
    own = torch.arange(50)
    assert (nearest(torch.ones(50, 50)) == own).sum() == 1
    assert (nearest(torch.full((50, 50), torch.nan)) == own).sum() == 0
    assert (nearest_rows(torch.ones(50, 3), torch.ones(80, 3)) == own).sum() == 1


@given(st.integers(0, 2**31), st.integers(1, 25), st.integers(1, 25), st.booleans())
def test_nearest_rows_in_blocks_are_those_of_the_whole_table(
    seed: int, rows: int, columns: int, nan: bool
) -> None:
    # Cosines of vectors of 0 and 1 are often equal, and exactly so in float64 for any block.
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randint(2, (size, 3), generator=generator).double() for size in (rows, columns))
    if nan:
        x[0] = torch.nan
    block, module.BLOCK = module.BLOCK, 4
    try:
        found = nearest_rows(x, y)
    finally:
        module.BLOCK = block
    assert found.tolist() == nearest(cosine_similarity(x, y)).tolist()
    assert not nan or found[0] == -1


def test_zero_vectors() -> None:
    assert cosine_similarity(torch.zeros(2, 3), torch.ones(2, 3)).tolist() == [[0, 0], [0, 0]]


@given(
    st.integers(0, 2**31), st.integers(1, 25), st.integers(1, 25), st.integers(1, 12), st.booleans()
)
def test_in_blocks_is_as_at_once(seed: int, rows: int, columns: int, count: int, nan: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(size, 5, generator=generator).double() for size in (rows, columns))
    block, module.BLOCK = module.BLOCK, 4
    try:
        values, places = neighbours(x, y, count)
        found = csls_nearest(x, y, count)
        wanted = cosine_similarity(x, y).topk(min(count, columns), dim=1)
        torch.testing.assert_close(values, wanted.values)
        assert torch.equal(places, wanted.indices)
        assert torch.equal(found, nearest(csls(cosine_similarity(x, y), count)))
        if nan:
            # AuxiliaryEncoders broken vectors the others find what they find without them.
            assert csls_nearest(x[:0], y, count).tolist() == []
            broken = torch.full((1, 5), torch.nan).double()
            again = csls_nearest(torch.cat([x, broken]), torch.cat([broken, y]), count)
            assert again[-1] == -1
            assert torch.equal(again[:-1], nearest(csls(cosine_similarity(x, y), count)) + 1)
    finally:
        module.BLOCK = block
