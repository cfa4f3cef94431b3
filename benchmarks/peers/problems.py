"""Transport problems between the words of real sentence pairs, encoded by ``mini``."""

from __future__ import annotations

import gzip
import random
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from otx.ot.costs.ground import cosine
from otx.ot.problems.masses import uniform
from otx_encoders.mini import MiniEncoder
from otx_encoders.options import EncoderOptions

CORPORA = ("wmt-news", "tatoeba")
SAMPLE = Path(__file__).parents[2] / "plugins" / "otx_corpora" / "sample"
LONGEST = 64
"""Default limit of words per side. One sentence of 200 words, of which there are two in a thousand, would make the
batch of every peer that pads some ten times as large."""
SIZE = 16
"""Words per side of the problems of equal size; longer sentences are cut."""

Pair = tuple[Tensor, Tensor]
"""Word vectors ``[n, D]`` of a sentence and ``[m, D]`` of its translation."""


@dataclass(frozen=True, eq=False)
class Problems:
    """A batch of transport problems between sentences and translations.

    There are P = S problems, each sentence with its translation; or, as a ``grid``, P = S * S, each sentence with every
    translation, those of the first sentence first.

    Attributes:
        name: Kind of the problems, for tables.
        x: Word vectors of the sentences ``[S, N, D]``, float32, 0 at padding.
        y: Word vectors of the translations ``[S, M, D]``, float32, 0 at padding.
        x_mask: Real words of the sentences ``[S, N]``.
        y_mask: Real words of the translations ``[S, M]``.
        grid: True for every sentence with every translation.
        a: Source masses ``[P, N]``; 0 marks padding.
        b: Target masses ``[P, M]``; 0 marks padding.
    """

    name: str
    x: Tensor
    y: Tensor
    x_mask: Tensor
    y_mask: Tensor
    grid: bool
    a: Tensor
    b: Tensor

    @classmethod
    def of(cls, name: str, pairs: list[Pair], device: str, *, grid: bool = False) -> Problems:
        """Pad sentence pairs with zeros to the longest among them.

        Args:
            name: Kind of the problems, for tables.
            pairs: Word vectors of sentences and translations.
            device: Torch device of the result.
            grid: Take every sentence with every translation.

        Returns:
            The problems.
        """
        sides = zip(*pairs, strict=True)
        x, y = (pad_sequence(list(side), batch_first=True).to(device) for side in sides)
        masks = []
        for side, words in enumerate((x, y)):
            lengths = torch.tensor([len(pair[side]) for pair in pairs], device=device)
            masks.append(torch.arange(words.shape[1], device=device) < lengths[:, None])
        a, b = uniform(masks[0]), uniform(masks[1])
        if grid:
            a, b = a.repeat_interleave(len(pairs), 0), b.repeat(len(pairs), 1)
        return cls(name, x, y, *masks, grid, a, b)

    def __len__(self) -> int:
        """Return the number of problems."""
        return len(self.a)

    def cost(self, x: Tensor, y: Tensor) -> Tensor:
        """Compute the cosine costs of all problems.

        Args:
            x: Vectors shaped like ``self.x``.
            y: Vectors shaped like ``self.y``.

        Returns:
            Costs ``[P, N, M]``.
        """
        if not self.grid:
            return cosine(x, y)
        # One product of all words with all words: the vectors are shared, not copied S times.
        flat = cosine(x.flatten(0, 1), y.flatten(0, 1))
        return (
            flat.unflatten(0, x.shape[:2]).unflatten(2, y.shape[:2]).transpose(1, 2).flatten(0, 1)
        )

    def lengths(self) -> tuple[Tensor, Tensor]:
        """Return the number of real words of both sides of every problem, ``[P]`` each."""
        return (self.a > 0).sum(1), (self.b > 0).sum(1)

    def head(self, sentences: int) -> Problems:
        """Return the problems of the first sentences.

        Args:
            sentences: Number of sentences.

        Returns:
            The smaller batch.
        """
        lengths = zip(self.x_mask.sum(1).tolist(), self.y_mask.sum(1).tolist(), strict=True)
        vectors = zip(self.x, self.y, lengths, strict=True)
        pairs = [(x[:n], y[:m]) for x, y, (n, m) in islice(vectors, sentences)]
        return Problems.of(self.name, pairs, str(self.x.device), grid=self.grid)


def read_pairs(data: Path, count: int, longest: int = LONGEST) -> tuple[str, list[Pair]]:
    """Read and encode English-German sentence pairs, shuffled, equally many of each corpus.

    Args:
        data: Folder with ``bitext/wmt-news`` and ``bitext/tatoeba``; without them the embedded sample is used.
        count: Number of pairs to read.
        longest: Pairs with more words than this on a side are dropped.

    Returns:
        The source of the pairs, and their word vectors. The first pair is one of median size.
    """
    folders = [data / "bitext" / corpus for corpus in CORPORA]
    if all(folder.is_dir() for folder in folders):
        sources = [_lines(folder / "en-de.en.gz", folder / "en-de.de.gz") for folder in folders]
        name = " + ".join(CORPORA)
    else:
        sources, name = [_lines(SAMPLE / "train.en.txt", SAMPLE / "train.de.txt")], "sample"
    mixed = [pair for pair in chain.from_iterable(zip_longest(*sources)) if pair]
    pairs = [pair for pair in _vectors(mixed[:count]) if max(map(len, pair)) <= longest]
    by_size = sorted(
        range(len(pairs)), key=lambda index: len(pairs[index][0]) * len(pairs[index][1])
    )
    pairs.insert(0, pairs.pop(by_size[len(pairs) // 2]))
    return f"{name} en-de", pairs


def ragged(pairs: list[Pair], sentences: int) -> list[Pair]:
    """Return the first pairs as they are.

    Args:
        pairs: Word vectors of sentence pairs.
        sentences: Number of pairs.

    Returns:
        The pairs.
    """
    return pairs[:sentences]


def equal(pairs: list[Pair], sentences: int) -> list[Pair]:
    """Return pairs whose two sides are long enough, cut to ``SIZE`` words per side.

    Args:
        pairs: Word vectors of sentence pairs.
        sentences: Largest number of pairs.

    Returns:
        The cut pairs.
    """
    long = (pair for pair in pairs if min(len(pair[0]), len(pair[1])) >= SIZE)
    return [(x[:SIZE], y[:SIZE]) for x, y in islice(long, sentences)]


def _lines(first: Path, second: Path) -> list[tuple[str, str]]:
    """Read line-aligned pairs without empty sides, shuffled because neighbours in a corpus are alike."""
    sides = []
    for path in (first, second):
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
            sides.append([line.strip() for line in lines])
    pairs = [(one, other) for one, other in zip(*sides, strict=True) if one and other]
    random.Random(0).shuffle(pairs)
    return pairs


def _vectors(pairs: list[tuple[str, str]]) -> list[Pair]:
    encoder = MiniEncoder("mini", EncoderOptions())
    first, second = (_encoded(encoder, [pair[side] for pair in pairs]) for side in (0, 1))
    return [(x, y) for x, y in zip(first, second, strict=True) if len(x) and len(y)]


@torch.no_grad()
def _encoded(encoder: MiniEncoder, texts: list[str]) -> list[Tensor]:
    """Encode each text to word vectors ``[n, D]``: the last layer, each word's last sub-word."""
    rows = encoder.tokenise(texts, pretokenised=False)
    encoded: dict[int, Tensor] = {}
    # By length, so that no short sentence is encoded at a long one's width.
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    for start in range(0, len(order), 64):
        chosen = order[start : start + 64]
        batch = encoder.collate([rows[index] for index in chosen])
        vectors, mask = encoder.encode(batch, (-1,)).words(-1, "last")
        for index, words, real in zip(chosen, vectors, mask, strict=True):
            encoded[index] = words[real].clone()
    return [encoded[index] for index in range(len(texts))]
