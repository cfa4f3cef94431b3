"""Connected components of a graph that is larger than memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from otx.data.partitions import Partitions
from otx.files.arrays import release, scan

BLOCK = 2**18
"""Edges or nodes in memory at a time."""
_PLACED = np.dtype([("key", np.uint64), ("place", np.int64)])


def number_nodes(names: np.ndarray, numbers: np.ndarray, work: Path) -> int:
    """Number the nodes of edges by their names, in ascending order.

    Args:
        names: Names of the two nodes of each edge ``[E, 2]``, 64-bit hashes.
        numbers: Receives the numbers of the nodes ``[E, 2]``; may be mapped.
        work: A folder for temporary files.

    Returns:
        The number of nodes.
    """
    flat = numbers.reshape(-1)
    partitions = Partitions(work, _PLACED, 2 * len(names))
    for start, block in scan(names, BLOCK):
        keys = block.reshape(-1)
        records = np.empty(len(keys), dtype=_PLACED)
        records["key"], records["place"] = keys, 2 * start + np.arange(len(keys))
        partitions.add(records)
    count = 0
    for part in partitions.read():
        different, inverse = np.unique(part["key"], return_inverse=True)
        flat[part["place"]] = count + inverse
        count += len(different)
        release(numbers)
    return count


def connect(edges: np.ndarray, parent: np.ndarray) -> None:
    """Find the connected components of a graph.

    Each round hooks the roots that an edge connects, the larger one to the smaller one, and then lets every node point
    to its root. A root that is not the smallest of its neighbours disappears in each round, so that there are few.

    Args:
        edges: Nodes of each edge ``[E, 2]``; may be mapped.
        parent: Receives the smallest node of each node's component ``[N]``; may be mapped.

    References:
        Shiloach & Vishkin (1982), "An O(log n) parallel connectivity algorithm".
        https://doi.org/10.1016/0196-6774(82)90008-6
    """
    for start, block in scan(parent, BLOCK):
        block[:] = start + np.arange(len(block))
    hooked = True
    while hooked:
        hooked = False
        for _, block in scan(edges, BLOCK):
            roots = parent[block]
            roots = roots[roots[:, 0] != roots[:, 1]]
            if len(roots):
                hooked = True
                np.minimum.at(parent, roots.max(axis=1), roots.min(axis=1))
            release(parent)
        if hooked:
            _point_to_roots(parent)


def _point_to_roots(parent: np.ndarray) -> None:
    """Let every node point to its root. A parent is smaller than its child, so its own block is done before."""
    for _, block in scan(parent, BLOCK):
        while True:
            above = parent[block]
            if (above == block).all():
                break
            block[:] = above
