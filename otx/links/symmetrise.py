"""Combine two one-way alignments into one set of links."""

from __future__ import annotations

from otx.types import Links

NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
"""Offsets of a link's neighbours, in the order in which they are tried."""


def grow_diag_final_and(forward: Links, reverse: Links) -> Links:
    """Symmetrise two alignments by the heuristic "grow-diag-final-and".

    Start with the intersection. Grow: pass over the links in order until nothing is added; a neighbour of a link,
    diagonal ones included, joins if it is in the union and one of its words has no link yet. Last, links of ``forward``
    and then of ``reverse`` join if both of their words have no link.

    Args:
        forward: Links of the source-to-target alignment, as (source word, target word).
        reverse: Links of the target-to-source alignment, as (source word, target word).

    Returns:
        The symmetrised links.

    Example:
        >>> sorted(grow_diag_final_and(frozenset({(0, 0), (1, 1)}), frozenset({(0, 0), (1, 2)})))
        [(0, 0), (1, 1), (1, 2)]

    References:
        Koehn et al. (2005), "Edinburgh System Description for the 2005 IWSLT Speech Translation Evaluation".
        https://aclanthology.org/2005.iwslt-1.8
    """
    links = set(forward & reverse)
    union = forward | reverse
    rows, columns = {i for i, _ in links}, {j for _, j in links}

    def add(link: tuple[int, int]) -> None:
        links.add(link)
        rows.add(link[0])
        columns.add(link[1])

    growing = True
    while growing:
        growing = False
        for i, j in sorted(links):
            for down, right in NEIGHBOURS:
                near = i + down, j + right
                lone = near[0] not in rows or near[1] not in columns
                if near in union and near not in links and lone:
                    add(near)
                    growing = True
    for direction in (forward, reverse):
        for i, j in sorted(direction):
            if i not in rows and j not in columns:
                add((i, j))
    return frozenset(links)
