"""Connected components by parts are those that scipy finds at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from otx.data import components, partitions
from otx.data.components import connect, number_nodes


def smallest(edges: np.ndarray, nodes: int) -> np.ndarray:
    """Return the smallest node of each node's component."""
    graph = coo_array((np.ones(len(edges)), edges.T), shape=(nodes, nodes))
    _, labels = connected_components(graph, directed=False)
    first = np.full(nodes, nodes)
    np.minimum.at(first, labels, np.arange(nodes))
    return first[labels]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60), st.integers(1, 9))
def test_components_of_any_graph(edges: list[tuple[int, int]], block: int) -> None:
    array = np.array(edges, dtype=np.int32).reshape(-1, 2)
    parent = np.empty(31, dtype=np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(components, "BLOCK", block)
        connect(array, parent)
    assert (parent == smallest(array, 31)).all()


@pytest.mark.parametrize("shape", ["chain", "backwards", "star", "random"])
def test_components_of_long_graphs(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "BLOCK", 500)
    count = 3_000
    along = np.stack([np.arange(count - 1), np.arange(1, count)], axis=1)
    edges = {
        "chain": along,
        "backwards": along[::-1, ::-1],
        "star": np.stack([np.full(count, count - 1), np.arange(count)], axis=1),
        "random": np.random.default_rng(1).integers(0, count, (count // 2, 2)),
    }[shape]
    parent = np.empty(count, dtype=np.int64)
    connect(edges, parent)
    assert (parent == smallest(edges, count)).all()


def test_nodes_are_numbered_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "PART", 50)
    monkeypatch.setattr(components, "BLOCK", 70)
    random = np.random.default_rng(1)
    names = random.choice(random.integers(2**64, size=300, dtype=np.uint64), (400, 2))
    numbers = np.empty((400, 2), dtype=np.int32)
    different, inverse = np.unique(names, return_inverse=True)
    assert number_nodes(names, numbers, tmp_path) == len(different)
    assert (numbers == inverse.reshape(400, 2)).all()
