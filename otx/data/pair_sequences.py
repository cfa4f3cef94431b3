"""Two texts in one sequence, as a tokenizer would put them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from otx.interfaces import Encoder
from otx.types import TokenBatch, TokenRow


@dataclass(frozen=True, slots=True)
class Template:
    """The special tokens around a pair of texts, and the type ids of the two texts with theirs."""

    before: list[int]
    between: list[int]
    after: list[int]
    types: tuple[int, int]

    @property
    def size(self) -> int:
        """How many special tokens a pair takes."""
        return len(self.before) + len(self.between) + len(self.after)


def pair_template(tokenizer: Any) -> Template:
    """Read off a tokenised pair which special tokens the tokenizer puts where."""
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
    """Each source and its pivot in one sequence ``[B, T + T']``, the pivot's words counted on after the source's."""
    template = pair_template(encoder.tokenizer)
    rows = [_joined(template, *pair) for pair in zip(sources, pivots, strict=True)]
    batch = encoder.collate(rows)
    seconds = torch.tensor(
        [
            len(template.before) + len(_inner(s.ids, template)) + len(template.between)
            for s in sources
        ]
    )
    first = torch.arange(batch.ids.shape[1]) < seconds[:, None]
    types = torch.where(first, *template.types)
    batch.type_ids = types.to(batch.ids.device)
    return batch


def _joined(template: Template, source: TokenRow, pivot: TokenRow) -> TokenRow:
    behind = [i if i < 0 else i + source.words for i in _inner(pivot.word_index, template)]
    between, after = [-1] * len(template.between), [-1] * len(template.after)
    return TokenRow(
        [
            *template.before,
            *_inner(source.ids, template),
            *template.between,
            *_inner(pivot.ids, template),
            *template.after,
        ],
        [-1] * len(template.before)
        + _inner(source.word_index, template)
        + between
        + behind
        + after,
        source.words + pivot.words,
        source.cut + pivot.cut,
    )


def _inner(row: list[int], template: Template) -> list[int]:
    """What stands between the special tokens of a text by itself, which are those around a pair."""
    return row[len(template.before) : len(row) - len(template.after)]
