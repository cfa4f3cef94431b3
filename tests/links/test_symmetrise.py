from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from otx.links.symmetrise import NEIGHBOURS, grow_diag_final_and

links = st.frozensets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=10)


def _by_the_book(forward: Any, reverse: Any) -> Any:
    """Koehn's pseudo-code, on matrices, nothing kept between two looks."""
    size = 5
    found = [[(i, j) in forward and (i, j) in reverse for j in range(size)] for i in range(size)]
    union = [[(i, j) in forward or (i, j) in reverse for j in range(size)] for i in range(size)]

    def row(i: Any) -> Any:
        return any(found[i])

    def column(j: Any) -> Any:
        return any(found[i][j] for i in range(size))

    while True:
        added = False
        aligned = [(i, j) for i in range(size) for j in range(size) if found[i][j]]
        for i, j in aligned:
            for down, right in NEIGHBOURS:
                k, m = i + down, j + right
                if not (0 <= k < size and 0 <= m < size) or found[k][m] or not union[k][m]:
                    continue
                if not row(k) or not column(m):
                    found[k][m] = added = True
        if not added:
            break
    for way in (forward, reverse):
        for i in range(size):
            for j in range(size):
                if (i, j) in way and not row(i) and not column(j):
                    found[i][j] = True
    return {(i, j) for i in range(size) for j in range(size) if found[i][j]}


@given(links, links)
def test_it_is_the_book(forward: Any, reverse: Any) -> None:
    assert grow_diag_final_and(forward, reverse) == _by_the_book(forward, reverse)


@given(links, links)
def test_it_lies_between_intersection_and_union(forward: Any, reverse: Any) -> None:
    found = grow_diag_final_and(forward, reverse)
    assert forward & reverse <= found <= forward | reverse


@given(links)
def test_ways_that_agree_are_kept_as_they_are(both: Any) -> None:
    assert grow_diag_final_and(both, both) == both


def test_an_example_by_hand() -> None:
    """The union's 1-2 grows from 1-1; 3-4 joins last, having no linked word; 0-2 does not."""
    forward = frozenset({(0, 0), (1, 1), (1, 2), (0, 2)})
    reverse = frozenset({(0, 0), (1, 1), (3, 4)})
    assert grow_diag_final_and(forward, reverse) == {(0, 0), (1, 1), (1, 2), (3, 4)}
