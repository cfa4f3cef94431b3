"""One set of links out of two one-way alignments."""

from __future__ import annotations

from otx.types import Links

NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def grow_diag_final_and(forward: Links, reverse: Links) -> Links:
    """Koehn et al. 2005: the intersection, grown along its neighbours in the union, then lone pairs added.

    Growing goes over the links found so far, in order, until nothing is added: a neighbour of one, diagonally too, that
    is in the union joins if one of its words has no link yet. Last, links of ``forward`` and then of ``reverse`` join
    whose two words have no link.
    """
    found = set(forward & reverse)
    union = forward | reverse
    rows, columns = {i for i, _ in found}, {j for _, j in found}

    def add(link: tuple[int, int]) -> None:
        found.add(link)
        rows.add(link[0])
        columns.add(link[1])

    growing = True
    while growing:
        growing = False
        for i, j in sorted(found):
            for down, right in NEIGHBOURS:
                near = i + down, j + right
                lone = near[0] not in rows or near[1] not in columns
                if near in union and near not in found and lone:
                    add(near)
                    growing = True
    for way in (forward, reverse):
        for i, j in sorted(way):
            if i not in rows and j not in columns:
                add((i, j))
    return frozenset(found)
