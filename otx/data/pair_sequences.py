"""Join two texts in one sequence, with the tokenizer's special tokens for pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from otx.interfaces import Encoder
from otx.types import TokenBatch, TokenRow


@dataclass(frozen=True, slots=True)
class Template:
    """The special tokens of a pair of texts.

    Attributes:
        before: Ids before the first text.
        between: Ids between the texts.
        after: Ids after the second text.
        types: Type ids of the two texts.
    """

    before: list[int]
    between: list[int]
    after: list[int]
    types: tuple[int, int]

    @property
    def size(self) -> int:
        """Number of special tokens of a pair."""
        return len(self.before) + len(self.between) + len(self.after)


def pair_template(tokenizer: Any) -> Template:
    """Return the special tokens that a tokenizer puts around a pair of texts.

    Args:
        tokenizer: A fast tokenizer.
    """
    encoding = tokenizer("a", "a", return_token_type_ids=True)
    sides, ids = encoding.sequence_ids(), list(encoding["input_ids"])
    one = [place for place, side in enumerate(sides) if side == 0]
    two = [place for place, side in enumerate(sides) if side == 1]
    types = encoding["token_type_ids"]
    return Template(
        before=ids[: one[0]],
        between=ids[one[-1] + 1 : two[0]],
        after=ids[two[-1] + 1 :],
        types=(types[one[0]], types[two[0]]),
    )


def join(encoder: Encoder, sources: Sequence[TokenRow], pivots: Sequence[TokenRow]) -> TokenBatch:
    """Join each source and its pivot in one sequence.

    Args:
        encoder: The encoder of the rows.
        sources: B rows of source texts.
        pivots: B rows of their pivot texts.

    Returns:
        A batch ``[B, T + T']`` on the encoder's device with type ids. The pivot's words are numbered after the
        source's.
    """
    template = pair_template(encoder.tokenizer)
    rows = [_joined(template, *pair) for pair in zip(sources, pivots, strict=True)]
    batch = encoder.collate(rows)
    seconds = torch.tensor(
        [
            len(template.before) + len(_strip_special(s.ids, template)) + len(template.between)
            for s in sources
        ]
    )
    first = torch.arange(batch.ids.shape[1]) < seconds[:, None]
    types = torch.where(first, *template.types)
    batch.type_ids = types.to(batch.ids.device)
    return batch


def _joined(template: Template, source: TokenRow, pivot: TokenRow) -> TokenRow:
    pivot_index = [
        i if i < 0 else i + source.words for i in _strip_special(pivot.word_index, template)
    ]
    between, after = [-1] * len(template.between), [-1] * len(template.after)
    return TokenRow(
        [
            *template.before,
            *_strip_special(source.ids, template),
            *template.between,
            *_strip_special(pivot.ids, template),
            *template.after,
        ],
        [-1] * len(template.before)
        + _strip_special(source.word_index, template)
        + between
        + pivot_index
        + after,
        source.words + pivot.words,
        source.cut + pivot.cut,
    )


def _strip_special(row: list[int], template: Template) -> list[int]:
    """Strip the special tokens from a single-text sequence: they are the outer ones of a pair."""
    return row[len(template.before) : len(row) - len(template.after)]
