from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from otx.links.mining import Mined, best_threshold, mine
from otx.links.neighbours import neighbours


def by_hand(x: np.ndarray, y: np.ndarray, count: int) -> list[tuple[int, int, float]]:
    """Artetxe & Schwenk 2019: margin ratio, candidates of both directions, greedily by margin."""
    cosine = (x / np.linalg.norm(x, axis=1)[:, None]) @ (y / np.linalg.norm(y, axis=1)[:, None]).T
    near_x = [sorted(range(len(y)), key=lambda j: -cosine[i, j])[:count] for i in range(len(x))]
    near_y = [sorted(range(len(x)), key=lambda i: -cosine[i, j])[:count] for j in range(len(y))]
    crowd_x = [np.mean([cosine[i, j] for j in near_x[i]]) for i in range(len(x))]
    crowd_y = [np.mean([cosine[i, j] for i in near_y[j]]) for j in range(len(y))]

    def margin(i: int, j: int) -> float:
        return float(cosine[i, j] / ((crowd_x[i] + crowd_y[j]) / 2))

    pairs = {(i, max(near_x[i], key=lambda j: margin(i, j))) for i in range(len(x))}
    pairs |= {(max(near_y[j], key=lambda i: margin(i, j)), j) for j in range(len(y))}
    found: list[tuple[int, int, float]] = []
    for i, j in sorted(pairs, key=lambda pair: -margin(*pair)):
        if all(i != a and j != b for a, b, _ in found):
            found.append((i, j, margin(i, j)))
    return found


@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5))
def test_mining_against_loops(seed: int, rows: int, columns: int, count: int) -> None:
    random = np.random.default_rng(seed)
    # All in one orthant, as an encoder's vectors are: means of cosines are above zero.
    x, y = random.random((rows, 4)) + 0.1, random.random((columns, 4)) + 0.1
    wanted = by_hand(x, y, count)
    margins = sorted(pair[2] for pair in wanted)
    assume(all(b - a > 1e-9 for a, b in pairwise(margins)))
    found = mine(torch.tensor(x), torch.tensor(y), count)
    assert [(pair.source, pair.pivot) for pair in found] == [pair[:2] for pair in wanted]
    np.testing.assert_allclose([pair.margin for pair in found], [pair[2] for pair in wanted])


def test_a_broken_vector_is_mined_by_nobody() -> None:
    x = torch.eye(3) + 0.1
    y = x.clone()
    y[1] = torch.nan
    assert {(pair.source, pair.pivot) for pair in mine(x, y, 2)} >= {(0, 0), (2, 2)}
    assert all(pair.pivot != 1 for pair in mine(x, y, 2))
    # More neighbours than whole vectors: what is missing has a place among the rows all the same.
    assert all(pair.pivot != 1 for pair in mine(x, y, 3))
    near = neighbours(x, y, 3)
    assert near.places.max() < len(y) and near.cosines[:, -1].isneginf().all()


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=10, unique=True),
    st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=10),
)
def test_the_threshold_is_the_best_of_all(
    pairs: list[tuple[int, int]], gold: set[tuple[int, int]]
) -> None:
    mined = [Mined(i, j, 2.0 - place / 10) for place, (i, j) in enumerate(pairs)]

    def f1(threshold: float) -> float:
        believed = {(pair.source, pair.pivot) for pair in mined if pair.margin >= threshold}
        return 2 * len(believed & gold) / max(1, len(believed) + len(gold))

    threshold, best = best_threshold(mined, gold)
    assert best == pytest.approx(f1(threshold))
    assert best == pytest.approx(max((f1(t / 100) for t in range(0, 300)), default=0.0))
