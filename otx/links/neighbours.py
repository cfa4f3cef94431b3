"""Nearest neighbours among sentence or word vectors, by cosine or CSLS, in memory that grows with N + M alone.

The table of cosines ``[N, M]`` is computed in tiles of ``ROWS x COLUMNS``, 16 MiB in float32, of which at most four
are in memory, and is never kept. Vectors are normalised tile by tile; they may be of half precision, or mapped from a
file (``otx.data.inference.encode_texts``). A vector that holds NaN is no neighbour of any other and has none itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from otx.ot.precision import at_least_float32

ROWS, COLUMNS = 2048, 2048
"""Size of a tile, which stays in the processor's cache."""
GROUP = 64
"""Cosines whose largest is looked at first: the k best of a row lie in the k groups with the best maxima."""


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The nearest neighbours of N vectors.

    Attributes:
        cosines: Cosines ``[N, k]`` in decreasing order; -inf where there is no neighbour.
        places: Numbers of the neighbours ``[N, k]``; 0 where there is none.
    """

    cosines: Tensor
    places: Tensor

    def crowding(self) -> Tensor:
        """Return the mean cosine of each vector with its neighbours ``[N]``, CSLS's r; infinite without neighbours."""
        is_finite = self.cosines.isfinite()
        total = self.cosines.where(is_finite, 0).sum(1)
        return torch.where(is_finite.any(1), total / is_finite.sum(1), torch.inf)


def neighbours(x: Tensor, y: Tensor, count: int) -> Neighbours:
    """Return the rows of ``y`` nearest to each row of ``x`` by cosine.

    Args:
        x: Vectors ``[N, D]``.
        y: Vectors ``[M, D]``.
        count: Number of neighbours; all rows of ``y`` if there are fewer.
    """
    best = _Best(len(x), min(count, len(y)), x)
    for tile in _tiles(x, y):
        best.update(tile)
    return best.neighbours()


def mutual_neighbours(x: Tensor, y: Tensor, count: int) -> tuple[Neighbours, Neighbours]:
    """Return the neighbours of ``x`` among ``y`` and those of ``y`` among ``x``, computing each cosine once.

    Args:
        x: Vectors ``[N, D]``.
        y: Vectors ``[M, D]``.
        count: Number of neighbours, as in ``neighbours``.
    """
    of_x = _Best(len(x), min(count, len(y)), x)
    of_y = _Best(len(y), min(count, len(x)), x, along=0)
    for tile in _tiles(x, y):
        of_x.update(tile)
        of_y.update(tile)
    return of_x.neighbours(), of_y.neighbours()


def nearest_rows(x: Tensor, y: Tensor) -> Tensor:
    """Return the row of ``y`` nearest by cosine to each row of ``x``.

    Of equal cosines the first counts, so that a collapsed encoder finds its own sentence once.

    Args:
        x: Vectors ``[N, D]``.
        y: Vectors ``[M, D]``.

    Returns:
        Rows of ``y`` ``[N]``, -1 for a vector that holds NaN.

    Example:
        >>> nearest_rows(torch.eye(2), torch.tensor([[0.0, 1.0], [0.0, 2.0], [3.0, 0.0]])).tolist()
        [2, 0]
    """
    best = _Best(len(x), 1, x)
    for tile in _tiles(x, y):
        best.update(tile)
    return best.first()


def csls_nearest(x: Tensor, y: Tensor, count: int) -> Tensor:
    """Return the row of ``y`` nearest to each row of ``x`` by cross-domain similarity local scaling (CSLS).

    The similarity is ``2 cos(x_i, y_j) - r(x_i) - r(y_j)``, where r is the mean cosine with the k nearest on the other
    side; r(x_i) is constant along a row and is left out.

    Args:
        x: Vectors ``[N, D]``.
        y: Vectors ``[M, D]``.
        count: The number k; all neighbours if there are fewer.

    Returns:
        Rows of ``y`` ``[N]``, -1 for a vector that holds NaN or where ``y`` is empty.

    References:
        Conneau et al. (2018), "Word Translation Without Parallel Data", equation 3. https://arxiv.org/abs/1710.04087
    """
    crowded = neighbours(y, x, count).crowding()
    best = _Best(len(x), 1, x)
    for tile in _tiles(x, y):
        best.update(tile.scaled(crowded, along=1))
    return best.first()


@dataclass(frozen=True, slots=True, eq=False)
class Retrieved:
    """The nearest neighbour of every vector on the other side; -1 where there is none.

    Attributes:
        to_y: Row of ``y`` nearest to each row of ``x`` by cosine ``[N]``.
        to_x: Row of ``x`` nearest to each row of ``y`` by cosine ``[M]``.
        csls_to_y: Row of ``y`` by CSLS ``[N]``.
        csls_to_x: Row of ``x`` by CSLS ``[M]``.
    """

    to_y: Tensor
    to_x: Tensor
    csls_to_y: Tensor
    csls_to_x: Tensor


def retrieve(x: Tensor, y: Tensor, count: int) -> Retrieved:
    """Return the nearest neighbours in both directions, by cosine and by CSLS, computing each cosine twice.

    Args:
        x: Vectors ``[N, D]``.
        y: Vectors ``[M, D]``.
        count: Number of neighbours in CSLS.
    """
    of_x = _Best(len(x), min(count, len(y)), x)
    of_y = _Best(len(y), min(count, len(x)), x, along=0)
    to_y, csls_to_y = _Best(len(x), 1, x), _Best(len(x), 1, x)
    to_x, csls_to_x = _Best(len(y), 1, x, along=0), _Best(len(y), 1, x, along=0)
    for tile in _tiles(x, y):
        for best in (of_x, of_y, to_y, to_x):
            best.update(tile)
    crowded_x, crowded_y = of_x.neighbours().crowding(), of_y.neighbours().crowding()
    for tile in _tiles(x, y):
        csls_to_y.update(tile.scaled(crowded_y, along=1))
        csls_to_x.update(tile.scaled(crowded_x, along=0))
    return Retrieved(to_y.first(), to_x.first(), csls_to_y.first(), csls_to_x.first())


@dataclass(frozen=True, slots=True, eq=False)
class _Tile:
    """A part of the table of cosines, from a row and a column on."""

    row: int
    column: int
    cosines: Tensor

    def scaled(self, crowded: Tensor, along: int) -> _Tile:
        """Return twice the cosines less the crowding of the rows (0) or columns (1)."""
        start, shape = (self.row, (-1, 1)) if along == 0 else (self.column, (1, -1))
        part = crowded[start : start + self.cosines.shape[along]].view(shape)
        return _Tile(self.row, self.column, 2 * self.cosines - part)


def _tiles(x: Tensor, y: Tensor) -> Iterator[_Tile]:
    for row in range(0, len(x), ROWS):
        unit_x, no_x = _unit(x[row : row + ROWS])
        for column in range(0, len(y), COLUMNS):
            unit_y, no_y = _unit(y[column : column + COLUMNS])
            cosines = unit_x @ unit_y.mT
            if len(no_x):
                cosines[no_x] = -torch.inf
            if len(no_y):
                cosines[:, no_y] = -torch.inf
            yield _Tile(row, column, cosines)


def _unit(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return unit vectors, and the numbers of those that hold NaN."""
    unit = functional.normalize(at_least_float32(vectors), dim=1)
    return unit, unit.sum(1).isnan().nonzero()[:, 0]


class _Best:
    """The largest entries of each line of a table that is seen in tiles.

    Args:
        lines: Number of rows or columns.
        count: Number of entries to keep of each.
        like: A tensor of the table's device and precision.
        along: 1 for the entries of rows, 0 for those of columns.
    """

    def __init__(self, lines: int, count: int, like: Tensor, along: int = 1) -> None:
        dtype = at_least_float32(like[:0]).dtype
        self._along = along
        self._values = torch.full((lines, count), -torch.inf, dtype=dtype, device=like.device)
        self._places = torch.arange(count, device=like.device).repeat(lines, 1)

    def neighbours(self) -> Neighbours:
        # Among equal infinities, an entry of the padding may have been chosen.
        return Neighbours(self._values, self._places.masked_fill(self._values.isneginf(), 0))

    def first(self) -> Tensor:
        """Return the place of each row's largest entry, -1 if it has none."""
        return self._places[:, 0].masked_fill(self._values[:, 0].isneginf(), -1)

    def update(self, tile: _Tile) -> None:
        """Take the entries of a tile."""
        count, cosines = self._values.shape[1], tile.cosines
        if not count or not cosines.numel():
            return
        start, first = (tile.row, tile.column) if self._along else (tile.column, tile.row)
        lines = slice(start, start + cosines.shape[1 - self._along])
        values, places = self._values[lines], self._places[lines]
        if missing := -cosines.shape[self._along] % GROUP:
            padding = (0, missing) if self._along else (0, 0, 0, missing)
            cosines = functional.pad(cosines, padding, value=-torch.inf)
        grouped = cosines.unflatten(self._along, (-1, GROUP))  # type: ignore[no-untyped-call]
        maxima = grouped.amax(2) if self._along else grouped.amax(1).mT
        # After the first tiles, few lines find a better entry in a tile.
        some = (maxima.amax(1) > values[:, -1]).nonzero()[:, 0]
        if not len(some):
            return
        groups = _largest(maxima[some], count)
        offered = (
            grouped[some[:, None], groups] if self._along else grouped[groups, :, some[:, None]]
        )
        table = torch.cat([values[some], offered.flatten(1)], 1)
        chosen = _largest(table, count)
        values[some] = table.gather(1, chosen)
        group, inside = (chosen - count).clamp(min=0) // GROUP, (chosen - count) % GROUP
        new = groups.gather(1, group) * GROUP + inside + first
        kept = places[some].gather(1, chosen.clamp(max=count - 1))
        places[some] = torch.where(chosen < count, kept, new)


def _largest(table: Tensor, count: int) -> Tensor:
    """Return the places of each row's largest entries; of equal ones, the first if one is asked for."""
    if count == 1:
        return table.argmax(1, keepdim=True)
    return table.topk(min(count, table.shape[1]), dim=1).indices
