"""Texts as rows of sub-words that know their words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from otx.data.words import word_index
from otx.types import TokenRow


def tokenise(
    tokenizer: Any, texts: Sequence[str], max_length: int, *, pretokenised: bool
) -> list[TokenRow]:
    """One row a text, special tokens added; a word that does not fit ``max_length`` is cut whole."""
    if not texts:
        return []
    encoded = tokenizer(
        list(texts),
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    found = []
    for number, text in enumerate(texts):
        special = [sequence is None for sequence in encoded.sequence_ids(number)]
        offsets = encoded["offset_mapping"][number]
        spans = [(0, 0) if own else span for own, span in zip(special, offsets, strict=True)]
        index = word_index(text, spans, pretokenised=pretokenised)
        found.append(_cut(encoded["input_ids"][number], index, special, max_length))
    return found


def _cut(ids: list[int], index: list[int], special: list[bool], max_length: int) -> TokenRow:
    content = [place for place, own in enumerate(special) if not own]
    room = max(0, max_length - (len(ids) - len(content)))
    lost = {index[place] for place in content[room:]} - {-1}
    dropped = {place for place in content if index[place] in lost}.union(content[room:])
    kept = [place for place in range(len(ids)) if place not in dropped]
    index = [index[place] for place in kept]
    return TokenRow([ids[place] for place in kept], index, len({*index} - {-1}), len(lost))
