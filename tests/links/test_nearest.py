import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.links.nearest import cosine_similarity, csls, hits


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
def test_hits_are_numpys_first_maxima(seed: int, count: int, values: int) -> None:
    table = np.random.default_rng(seed).integers(values, size=(count, count)).astype(np.float32)
    wanted = table.argmax(1) == np.arange(count)
    assert hits(torch.tensor(table)).tolist() == wanted.tolist()


def test_a_collapsed_encoder_scores_chance_and_a_broken_one_nothing() -> None:
    assert hits(torch.ones(50, 50)).sum() == 1
    assert hits(torch.full((50, 50), torch.nan)).sum() == 0


def test_zero_vectors() -> None:
    assert cosine_similarity(torch.zeros(2, 3), torch.ones(2, 3)).tolist() == [[0, 0], [0, 0]]
