"""Grouping of ragged batches by length, so that one long sentence does not pad all others to its size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

STEP = 8
"""Group boundaries are tried at multiples of this many problems."""
GROUP_PRICE = 80_000
"""Padding, in entries of the cost, that a CPU works through in the time that one more group takes."""


@dataclass(frozen=True, eq=False)
class Group:
    """Problems of a batch whose masses all lie within the first ``n`` and ``m`` entries.

    Attributes:
        index: Positions ``[G]`` of the problems in the batch.
        n: Number of source entries that the group needs.
        m: Number of target entries that the group needs.
        whole: True if these are all problems in their order, so that nothing needs to be copied.
    """

    index: Tensor
    n: int
    m: int
    whole: bool = False

    def take(self, tensor: Tensor, *sizes: int) -> Tensor:
        """Return the group's part of a tensor.

        Args:
            tensor: A tensor of the batch ``[B, ...]``.
            sizes: Number of entries to keep along each dimension after the first.

        Returns:
            The group's problems ``[G, *sizes, ...]``.
        """
        return _narrow(tensor if self.whole else tensor[self.index], *sizes)

    def put(self, part: Tensor, into: Tensor) -> None:
        """Write the group's part into a tensor of the batch.

        Args:
            part: The group's values ``[G, ...]``.
            into: A tensor of the batch ``[B, ...]``, modified in place; its other entries keep their values.
        """
        target = _narrow(into, *part.shape[1:])
        if self.whole:
            target.copy_(part)
        else:
            target[self.index] = part.to(target)


def group_by_length(a: Tensor, b: Tensor) -> list[Group]:
    """Cut a batch into groups of problems of similar size.

    On a GPU, where every operation on a small batch costs the same, and for small batches there is one group.

    Args:
        a: Source masses ``[B, N]``; 0 marks padding.
        b: Target masses ``[B, M]``; 0 marks padding.

    Returns:
        At least one group; every problem is in exactly one.

    Example:
        >>> lengths = torch.tensor([90] * 8 + [5] * 56)
        >>> mass = (torch.arange(90) < lengths[:, None]).float()
        >>> [(len(group.index), group.n) for group in group_by_length(mass, mass)]
        [(8, 90), (56, 5)]
    """
    batch = Group(torch.arange(len(a), device=a.device), a.shape[1], b.shape[1], whole=True)
    if a.device.type != "cpu" or a.shape[1] * b.shape[1] * len(a) < GROUP_PRICE:
        return [batch]
    return list(_cut(_lengths(a), _lengths(b)))


def _lengths(mass: Tensor) -> Tensor:
    """Count the entries ``[B]`` up to the last one with mass, at least 1."""
    positions = torch.arange(1, mass.shape[1] + 1, device=mass.device)
    return ((mass != 0) * positions).amax(1).clamp_min(1)


def _cut(n: Tensor, m: Tensor) -> Iterator[Group]:
    """Go from the longest problems to the shortest; begin a group where it saves more padding than it costs."""
    order = torch.argsort(torch.maximum(n, m), descending=True, stable=True)
    rows, columns = _longest_from_here(n[order]), _longest_from_here(m[order])
    start = 0
    for place in range(STEP, len(order), STEP):
        saved = rows[start] * columns[start] - rows[place] * columns[place]
        if saved * (len(order) - place) > GROUP_PRICE:
            yield Group(order[start:place], rows[start], columns[start])
            start = place
    yield Group(order[start:], rows[start], columns[start])


def _longest_from_here(lengths: Tensor) -> list[int]:
    """Return the longest length from each position to the end."""
    longest: list[int] = lengths.flip(0).cummax(0).values.flip(0).tolist()
    return longest


def _narrow(tensor: Tensor, *sizes: int) -> Tensor:
    """Keep the first ``sizes`` entries along each dimension after the batch's."""
    for dim, size in enumerate(sizes, 1):
        tensor = tensor.narrow(dim, 0, size)
    return tensor
