"""Word vectors of many texts: encoded in batches of similar length, kept without padding, and linked pair by pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from otx.data.inference import batches_of_tokens, reading
from otx.interfaces import Encoder
from otx.links.methods import LinkTable, MethodSettings, link_table
from otx.types import TokenRow, WordVector

GROUP_WORDS = 8192
"""Maximum number of words of both sides, padding included, of the pairs that are linked together."""


@dataclass(frozen=True, slots=True, eq=False)
class WordVectors:
    """The word vectors of R texts, one text after the other.

    Attributes:
        vectors: Vectors of K words ``[K, D]``, float32.
        is_real: False for a word without a sub-word of its own ``[K]``.
        starts: Place of each text's first word ``[R]``.
        sizes: Number of words of each text ``[R]``.
    """

    vectors: Tensor
    is_real: Tensor
    starts: np.ndarray
    sizes: np.ndarray

    def padded(self, texts: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return the word vectors of some texts.

        Args:
            texts: Numbers of the texts ``[B]``.

        Returns:
            Vectors ``[B, W, D]``, anything at padding, and their mask ``[B, W]``.
        """
        places = np.arange(max(int(self.sizes[texts].max(initial=0)), 1))
        inside = places < self.sizes[texts, None]
        device = self.vectors.device
        index = torch.from_numpy(np.where(inside, self.starts[texts, None] + places, 0)).to(device)
        mask = torch.from_numpy(inside).to(device)
        return self.vectors[index], self.is_real[index] & mask


def encode_words(
    encoder: Encoder,
    rows: Sequence[TokenRow],
    *,
    layer: int,
    word_vector: WordVector,
    batch_tokens: int,
) -> WordVectors:
    """Encode texts to word vectors on the encoder's device.

    Args:
        encoder: The encoder.
        rows: The texts' sub-words.
        layer: Hidden layer of the word vectors.
        word_vector: Sub-words that make a word's vector.
        batch_tokens: Maximum number of sub-words of a batch, padding included; a longer text is a batch of its own.
    """
    sizes = np.array([max(row.word_index, default=-1) + 1 for row in rows], dtype=np.int64)
    lengths = np.array([len(row.ids) for row in rows], dtype=np.int64)
    starts = np.zeros_like(sizes)
    vectors, is_real = torch.zeros(1, encoder.dimension), torch.zeros(1, dtype=torch.bool)
    filled = 0
    with reading(encoder):
        for texts in batches_of_tokens(lengths, batch_tokens):
            encoded = encoder.encode(encoder.collate([rows[text] for text in texts]), (layer,))
            words, mask = encoded.words(layer, word_vector)
            if not filled:
                # A text without a word reads place 0, so there is at least one.
                count = max(int(sizes.sum()), 1)
                vectors = words.new_zeros((count, words.shape[2]), dtype=torch.float32)
                is_real = mask.new_zeros(count)
            inside = np.arange(words.shape[1]) < sizes[texts, None]
            index = torch.from_numpy(np.flatnonzero(inside)).to(words.device)
            end = filled + len(index)
            vectors[filled:end] = words.flatten(0, 1)[index]
            is_real[filled:end] = mask.flatten()[index]
            starts[texts] = filled + np.cumsum(sizes[texts]) - sizes[texts]
            filled = end
    return WordVectors(vectors, is_real, starts, sizes)


def link_texts(
    words: WordVectors, sources: np.ndarray, targets: np.ndarray, method: MethodSettings
) -> LinkTable:
    """Extract the links of pairs of texts.

    Args:
        words: The word vectors of all texts.
        sources: Number of the source text of each pair ``[P]``.
        targets: Number of the target text of each pair ``[P]``.
        method: The method and its options.

    Returns:
        The links, in the order of the pairs.
    """
    longest = np.maximum(words.sizes[sources], words.sizes[targets])
    tables = [*_tables(words, sources, targets, longest, method)]
    columns = [
        np.concatenate([getattr(table, name) for table in tables] or [np.zeros(0, dtype=np.int64)])
        for name in LinkTable.__dataclass_fields__
    ]
    order = np.argsort(columns[0], kind="stable")
    return LinkTable(*(column[order] for column in columns))


def _tables(
    words: WordVectors,
    sources: np.ndarray,
    targets: np.ndarray,
    longest: np.ndarray,
    method: MethodSettings,
) -> Iterator[LinkTable]:
    for pairs in batches_of_tokens(2 * longest, GROUP_WORDS):
        x, x_mask = words.padded(sources[pairs])
        y, y_mask = words.padded(targets[pairs])
        table = link_table(x, x_mask, y, y_mask, method)
        yield LinkTable(pairs[table.pair], table.source, table.target, table.strength)
