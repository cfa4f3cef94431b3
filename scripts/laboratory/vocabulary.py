"""Reduce an encoder to the sub-words that occur in given texts: tokenizer and embedding rows together.

A Unigram tokenizer takes the best path through the pieces of a text. A path over kept pieces keeps its score, so it
stays the best path unless it contains a removed piece. The best paths of the given texts contain none, which is tested
on every text (``first_difference``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from otx_encoders.e5_small.packed import BLOCKS, PackedModel, PackedTensor
from otx_encoders.e5_small.tokenizer import SPECIAL

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORDS = "emb.word"
"""Name of the embeddings of the vocabulary."""
AT_ONCE = 4096
"""Number of texts tokenised at once."""
NOT_TEXT = {"id", "version"}
"""Keys of JSON files whose values are not tokenised."""
_FIELDS = re.compile(r"\t| \|\|\| ")


def texts_of(path: Path) -> Iterator[str]:
    """Yield every text of a data file.

    Args:
        path: The file. Texts are the strings of JSON, or the fields of other files, separated by tabs or ``|||``; a
            file of gold links has none.
    """
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        yield from _strings(json.loads(content))
    elif path.suffix != ".gold":
        for line in content.split("\n"):
            yield from (field for field in _FIELDS.split(line) if field.strip())


def used_pieces(model: PackedModel, tokenizer: Tokenizer, texts: Iterable[str]) -> np.ndarray:
    """Return the ids of the pieces to keep.

    These are the pieces of the texts, special tokens, and the single characters of kept pieces.

    Args:
        model: The whole encoder.
        tokenizer: Its tokenizer.
        texts: All texts that the reduced encoder will read.

    Returns:
        The ids in order.
    """
    is_used = np.zeros(len(model.pieces), bool)
    for batch in _batches(texts):
        for encoding in tokenizer.encode_batch(batch, add_special_tokens=False):
            is_used[encoding.ids] = True
    places = {piece: place for place, piece in enumerate(model.pieces)}
    characters = {
        character for place in np.flatnonzero(is_used) for character in model.pieces[place]
    }
    kept = [*SPECIAL.values(), *(c for c in characters if c in places)]
    is_used[[places[piece] for piece in kept]] = True
    is_used[list(model.special.values())] = True
    return np.flatnonzero(is_used)


def reduce_vocabulary(model: PackedModel, kept: np.ndarray) -> PackedModel:
    """Return an encoder with some of its pieces.

    Piece ``kept[i]`` becomes piece ``i``.

    Args:
        model: The whole encoder.
        kept: Ids to keep, in order.

    Returns:
        The reduced encoder. Embedding rows without a piece stay, after the others.

    Raises:
        ValueError: If blocks of the packed format span rows of the embeddings.
    """
    rows = np.concatenate([kept, np.arange(len(model.pieces), model.shape.vocabulary)])
    words = model.tensors[WORDS]
    stored = np.frombuffer(words.data, np.uint8).reshape(model.shape.vocabulary, -1)
    if words.kind == BLOCKS and model.shape.hidden % model.shape.block:
        raise ValueError("blocks span the rows of the embeddings")
    count = len(rows) * model.shape.hidden
    reduced = PackedTensor(words.kind, count, memoryview(stored[rows].tobytes()))
    new = {int(old): place for place, old in enumerate(kept)}
    return replace(
        model,
        shape=replace(model.shape, vocabulary=len(rows)),
        pieces=[model.pieces[place] for place in kept],
        scores=model.scores[kept],
        special={name: new[place] for name, place in model.special.items()},
        tensors={**model.tensors, WORDS: reduced},
    )


def first_difference(
    whole: Tokenizer, reduced: Tokenizer, kept: np.ndarray, texts: Iterable[str]
) -> str | None:
    """Return the first text on which the two tokenizers differ, or None.

    Args:
        whole: The tokenizer of the whole encoder.
        reduced: The tokenizer of the reduced encoder.
        kept: Id in the whole encoder of each id in the reduced one.
        texts: Texts to compare.
    """
    for batch in _batches(texts):
        pairs = zip(whole.encode_batch(batch), reduced.encode_batch(batch), strict=True)
        for text, (before, after) in zip(batch, pairs, strict=True):
            mapped = [int(kept[place]) for place in after.ids]
            if before.ids != mapped or before.offsets != after.offsets:
                return text
    return None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in NOT_TEXT:
                yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch
