"""Ragged batches cut into groups of similar size, so that a long sentence does not make all others long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

STEP = 8
GROUP_PRICE = 80_000
"""Padding, in entries of the cost, that a CPU works through in the time that one more group takes."""


@dataclass(frozen=True, eq=False)
class Group:
    """The problems ``index [G]`` of a batch, whose masses lie within the first ``n`` and ``m`` entries.

    ``whole`` says that these are all problems in their order, so that nothing need be copied.
    """

    index: Tensor
    n: int
    m: int
    whole: bool = False

    def of(self, tensor: Tensor, *sizes: int) -> Tensor:
        """Of ``tensor [B, ...]`` the group's problems, cut to ``sizes``."""
        return _narrowed(tensor if self.whole else tensor[self.index], *sizes)

    def put(self, part: Tensor, into: Tensor) -> None:
        """The group's ``part [G, ...]`` written where it belongs in ``into [B, ...]``."""
        place = _narrowed(into, *part.shape[1:])
        if self.whole:
            place.copy_(part)
        else:
            place[self.index] = part.to(place)


def groups(a: Tensor, b: Tensor) -> list[Group]:
    """Groups that hold every problem of ``a [B, N]`` and ``b [B, M]`` once, at least one.

    On a GPU, where every operation on a small batch costs the same, there is one.
    """
    everything = Group(torch.arange(len(a), device=a.device), a.shape[1], b.shape[1], whole=True)
    if a.device.type != "cpu" or a.shape[1] * b.shape[1] * len(a) < GROUP_PRICE:
        return [everything]
    return list(_cut(_lengths(a), _lengths(b)))


def _lengths(mass: Tensor) -> Tensor:
    """Entries ``[B]`` up to the last one with mass, at least 1."""
    places = torch.arange(1, mass.shape[1] + 1, device=mass.device)
    return ((mass != 0) * places).amax(1).clamp_min(1)


def _cut(n: Tensor, m: Tensor) -> Iterator[Group]:
    """From the longest problems to the shortest, a new group where it saves more padding than it costs."""
    order = torch.argsort(torch.maximum(n, m), descending=True, stable=True)
    rows, columns = _longest_yet(n[order]), _longest_yet(m[order])
    start = 0
    for place in range(STEP, len(order), STEP):
        saved = rows[start] * columns[start] - rows[place] * columns[place]
        if saved * (len(order) - place) > GROUP_PRICE:
            yield Group(order[start:place], rows[start], columns[start])
            start = place
    yield Group(order[start:], rows[start], columns[start])


def _longest_yet(lengths: Tensor) -> list[int]:
    """The longest from each place to the end."""
    found: list[int] = lengths.flip(0).cummax(0).values.flip(0).tolist()
    return found


def _narrowed(tensor: Tensor, *sizes: int) -> Tensor:
    """The first ``sizes`` entries along each dimension but that of the batch."""
    for dim, size in enumerate(sizes, 1):
        tensor = tensor.narrow(dim, 0, size)
    return tensor
