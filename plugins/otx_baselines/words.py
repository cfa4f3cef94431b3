"""The vectors that the baselines compare: linked words, and special tokens around a sentence."""

from __future__ import annotations

from torch import Tensor

from otx.errors import ProblemError
from otx.ot.precision import at_least_float32
from otx.types import Encoded, EncodedPair, WordVector
from otx.views import Links


def linked_words(pair: EncodedPair, layer: int, vector: WordVector) -> tuple[Tensor, Tensor]:
    """Return the vectors of both ends of the batch's links, in float32 or better.

    Args:
        pair: The batch, with the views ``States`` and ``Links``.
        layer: Hidden layer of the vectors.
        vector: Sub-words that make a word's vector.

    Returns:
        Source and pivot vectors, each ``[L, D]``; a word with several links occurs once for each.

    Raises:
        ProblemError: If a link names a word that its sentence does not have.
    """
    number, source_word, pivot_word = pair[Links].unbind(1)
    source = _words(pair.source, "source", layer, vector, number, source_word)
    return source, _words(pair.pivot, "pivot", layer, vector, number, pivot_word)


def _words(
    encoded: Encoded, side: str, layer: int, vector: WordVector, number: Tensor, word: Tensor
) -> Tensor:
    vectors, mask = encoded.words(layer, vector)
    check_links(mask, side, number, word)
    return at_least_float32(vectors[number, word])


def check_links(mask: Tensor, side: str, number: Tensor, word: Tensor) -> None:
    """Check that one side's words exist that links name.

    Args:
        mask: True for the words of each pair ``[B, W]``.
        side: ``source`` or ``pivot``, for the message.
        number: Pair of each link ``[L]``.
        word: Word of each link ``[L]``, counted from 0.

    Raises:
        ProblemError: For the first missing word, naming the pair and the word.
    """
    missing = (word < 0) | (word >= mask.shape[1])
    missing |= ~mask[number, word.masked_fill(missing, 0)]
    if bool(missing.any()):
        first = int(missing.nonzero()[0, 0])
        raise ProblemError(
            f"pair {int(number[first])} of the batch: no {side} word {int(word[first])}, "
            "which a link names",
            "links count words from 0; those to words that were cut must be left out",
        )


def special_tokens(encoded: Encoded, layer: int) -> Tensor:
    """Return the first and the last token of each sequence if they are special, pair by pair.

    Both sides of a pair have equally many, in the same order: [CLS] and [SEP] of BERT, <s> and </s> of XLM-R.

    Args:
        encoded: One side of a batch.
        layer: Hidden layer of the vectors.

    Returns:
        Vectors ``[S, D]`` in float32 or better.
    """
    return at_least_float32(encoded.tokens[layer][special_ends(encoded)])


def special_ends(encoded: Encoded) -> Tensor:
    """Return True ``[B, T]`` at the first and the last token of each sequence where they are special.

    Args:
        encoded: One side of a batch.
    """
    place = encoded.mask.cumsum(1)
    ends = (place == 1) | (place == place[:, -1:])
    return encoded.mask & ends & (encoded.word_index < 0)
