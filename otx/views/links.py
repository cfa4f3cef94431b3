"""Word links of the batch's pairs: given by a file or corpus, or searched with the initial encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from otx.interfaces import View
from otx.types import TokenBatch
from otx.views.context import FakeBatch, HiddenStates, PairBatch, ViewContext, ViewMaker, both_sides

if TYPE_CHECKING:
    from torch import Tensor

    from otx.config.schema import AlignSettings


@dataclass(frozen=True)
class Links(View["Tensor"]):
    """Word links ``[L, 3]``: pair in the batch, source word, pivot word.

    Links come from ``align.links`` or from the corpus; otherwise they are the mutual nearest neighbours of the initial
    encoder's word vectors in ``align.links_layer``.
    """

    label: ClassVar[str] = "links"
    summary: ClassVar[str] = (
        "word links, from a file or searched with the initial encoder (`align.links`)"
    )

    def auxiliary(self, align: AlignSettings) -> frozenset[str]:
        """Ask for the initial encoder, unless a file gives the links."""
        return frozenset({"reference"}) if align.links is None else frozenset()

    @classmethod
    def maker(cls, views: Sequence[Self], context: ViewContext) -> ViewMaker[Tensor]:
        """Read the given links; search those of corpora without any."""
        from otx.links.extract import mutual_nearest

        given, layer = context.given_links(), context.align.links_layer

        def make(batch: PairBatch, states: HiddenStates) -> Tensor:
            links = given[batch.corpus]
            if links is not None:
                rows = [sorted(links[int(index)]) for index in batch.indices]
                return link_rows(rows, batch.source, batch.pivot)
            sides = states.sides("reference")
            x, x_mask = sides.source.words(layer, context.word_vector)
            y, y_mask = sides.pivot.words(layer, context.word_vector)
            return mutual_nearest(x.float(), x_mask, y.float(), y_mask)

        searched = any(links is None for links in given)
        return ViewMaker(make, both_sides("reference", frozenset({layer})) if searched else ())

    @classmethod
    def fake(cls, views: Sequence[Self], batch: FakeBatch) -> Tensor:
        """Link the words of equal position."""
        import torch

        pairs = enumerate(batch.lengths)
        rows = [(n, i, i) for n, (source, pivot) in pairs for i in range(min(source, pivot))]
        return torch.tensor(rows)

    @classmethod
    def select(cls, value: Tensor, rows: slice, pairs: int) -> Tensor:
        """Keep the links of the selected pairs, which are counted from 0 again."""
        kept = value[(value[:, 0] >= rows.start) & (value[:, 0] < rows.stop)]
        return kept - kept.new_tensor([rows.start, 0, 0])

    @classmethod
    def join(cls, parts: Sequence[Tensor], pairs: Sequence[int]) -> Tensor:
        """Join the links of all parts, with their pairs counted on from part to part."""
        import torch

        shifted, before = [], 0
        for part, count in zip(parts, pairs, strict=True):
            # Not `new_tensor`, which waits for a GPU.
            shifted.append(torch.cat((part[:, :1] + before, part[:, 1:]), 1))
            before += count
        return torch.cat(shifted)


def link_rows(
    links: Sequence[Sequence[tuple[int, int]]], source: TokenBatch, pivot: TokenBatch
) -> Tensor:
    """Arrange given links as a tensor.

    Args:
        links: Links of each pair of the batch: (source word, pivot word), counted from 0.
        source: The source side.
        pivot: The pivot side.

    Returns:
        Links ``[L, 3]``. A link to a word that was cut, or that has no sub-word, is dropped, never shifted.
    """
    import torch

    rows = []
    for number, pair_links in enumerate(links):
        left = set(source.word_index[number].tolist())
        right = set(pivot.word_index[number].tolist())
        rows += [(number, i, j) for i, j in pair_links if i in left and j in right]
    return torch.tensor(rows, dtype=torch.long, device=source.ids.device).reshape(-1, 3)
