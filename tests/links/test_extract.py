"""Links out of vectors, against the published aligners' outputs and against loops over words."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from otx.links import extract
from tests.examples import examples

# Row maxima (0,1) (1,0) (2,1) (3,1), column maxima (1,0) (2,1) (3,2); mutual: (1,0) (2,1).
BY_HAND = torch.tensor(
    [
        [0.1, 0.7, 0.3],
        [0.8, 0.2, 0.1],
        [0.2, 0.9, 0.4],
        [0.0, 0.6, 0.5],
    ]
)


def mutual(similarity: Tensor) -> set[tuple[int, int]]:
    """Each other's first maximum, by loops over the words."""
    rows, columns = (range(size) for size in similarity.shape)
    best_column = {i: max(columns, key=lambda j: float(similarity[i, j])) for i in rows}
    best_row = {j: max(rows, key=lambda i: float(similarity[i, j])) for j in columns}
    return {(i, j) for i, j in best_column.items() if best_row[j] == i}


def test_the_loops_by_hand() -> None:
    assert mutual(BY_HAND) == {(1, 0), (2, 1)}


def test_itermax_by_hand() -> None:
    # After argmax rows 0 and 3 and column 2 are loose. Pairs of two loose words count in full, of
    # one .9 times: (3,2) .75, (0,2) .65; (0,1) .9 * .85 = .765, (3,1) .9 * .8 = .72. Row 0 goes to
    # column 1, which goes to row 0; row 3 goes to column 2, which goes to row 3.
    assert extract.itermax(BY_HAND) == {(1, 0), (2, 1), (0, 1), (3, 2)}


def test_itermax_of_a_short_side_or_of_full_sides_is_argmax() -> None:
    for similarity in (BY_HAND[:, :2], BY_HAND[:2], torch.eye(4)):
        assert extract.itermax(similarity) == mutual(similarity)


def test_a_plan_by_hand() -> None:
    # Source word 1 is heavy: by mass both targets would go to it, by density target 0 does not.
    a, b = torch.tensor([0.2, 0.8]), torch.tensor([0.5, 0.5])
    plan = torch.tensor([[0.18, 0.02], [0.32, 0.48]])
    assert extract.from_plan(plan, a, b) == {(0, 0), (1, 1)}


def test_words_without_mass_or_without_freight_have_no_link() -> None:
    plan = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    a, b = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.5, 0.5, 0.0])
    assert extract.from_plan(plan, a, b) == {(0, 0)}


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 10_000))
def test_links_of_a_plan_do_not_hang_on_the_masses(count: int, other: int, seed: int) -> None:
    # Scaling rows and columns of a plan with their masses leaves its density as it was.
    random = torch.Generator().manual_seed(seed)
    density = torch.rand(count, other, generator=random, dtype=torch.float64)
    a = torch.rand(count, generator=random, dtype=torch.float64) + 0.1
    b = torch.rand(other, generator=random, dtype=torch.float64) + 0.1
    plan = density * a.unsqueeze(1) * b
    assert extract.from_plan(plan, a, b) == mutual(density)


def loop_argmax(x: np.ndarray, y: np.ndarray) -> set[tuple[int, int]]:
    def cosine(i: int, j: int) -> float:
        return float(x[i] @ y[j] / np.linalg.norm(x[i]) / np.linalg.norm(y[j]))

    best_y = [max(range(len(y)), key=lambda j: cosine(i, j)) for i in range(len(x))]
    best_x = [max(range(len(x)), key=lambda i: cosine(i, j)) for j in range(len(y))]
    return {(i, j) for i, j in enumerate(best_y) if best_x[j] == i}


@examples(40)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=4),
    st.integers(0, 10_000),
)
def test_mutual_nearest_is_each_pair_on_its_own(sizes: list, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(len(sizes), 6, 5, generator=random, dtype=torch.float64)
    y = torch.randn(len(sizes), 6, 5, generator=random, dtype=torch.float64)
    places = torch.arange(6)
    x_mask = torch.stack([places < n for n, _ in sizes])
    y_mask = torch.stack([places < m for _, m in sizes])
    # Real words need not come first: a word that lost its sub-words leaves a hole.
    order = torch.randperm(6, generator=random)
    links = extract.mutual_nearest(x[:, order], x_mask[:, order], y[:, order], y_mask[:, order])
    assert links.shape == (len(links), 3) and links.dtype == torch.long
    assert links.tolist() == sorted(links.tolist())
    found = {(pair, int(order[i]), int(order[j])) for pair, i, j in links.tolist()}
    expected = {
        (pair, i, j)
        for pair, (n, m) in enumerate(sizes)
        if n and m
        for i, j in loop_argmax(x[pair, :n].numpy(), y[pair, :m].numpy())
    }
    assert found == expected


def test_half_precision_and_autocast_change_no_similarity() -> None:
    x, y = torch.randn(4, 8), torch.randn(5, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(extract.cosine(x, y), extract.cosine(x.clone(), y.clone()))
        assert extract.cosine(x, y).dtype == extract.dot(x.bfloat16(), y.bfloat16()).dtype
        inside = extract.dot(x, y)
    assert torch.equal(inside, x @ y.T) and inside.dtype == torch.float32


def test_no_words_have_no_links() -> None:
    for shape in ((0, 3), (3, 0), (0, 0)):
        empty = torch.zeros(shape)
        plan = extract.from_plan(empty, torch.zeros(shape[0]), torch.zeros(shape[1]))
        assert not plan and not extract.itermax(empty)


def test_a_word_without_direction_is_nobodys_neighbour_but_breaks_nothing() -> None:
    similarity = extract.cosine(torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([[2.0, 0.0]]))
    assert similarity.tolist() == [[0.0], [1.0]]
