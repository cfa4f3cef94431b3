"""Transport problems between the words of real sentence pairs, as the encoder ``mini`` sees them."""

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
from otx_encoders import EncoderOptions
from otx_encoders.mini import MiniEncoder

CORPORA = ("wmt-news", "tatoeba")
SAMPLE = Path(__file__).parents[2] / "plugins" / "otx_corpora" / "sample"
LONGEST = 64
"""Words of the longest side that is kept, unless asked for more. One sentence of 200 words, of which
there are two in a thousand, would make a padded batch of all who pad some ten times as large."""
SIZE = 16
"""Words of either side in the problems of equal size; longer sentences are cut there."""

Pair = tuple[Tensor, Tensor]
"""Word vectors ``[n, D]`` and ``[m, D]`` of a sentence and its translation."""


@dataclass(frozen=True, eq=False)
class Problems:
    """Sentences ``x [S, N, D]`` and ``y [S, M, D]`` in float32, and which words are real.

    They state S problems, each sentence with its translation; or, as a ``grid``, S * S, each
    sentence with every translation, the first sentence's first.
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
        """The problems of some pairs, padded with zeros to the longest among them."""
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
        """How many problems there are."""
        return len(self.a)

    def cost(self, x: Tensor, y: Tensor) -> Tensor:
        """Cosine costs ``[P, N, M]`` between vectors shaped like ``self.x`` and ``self.y``."""
        if not self.grid:
            return cosine(x, y)
        # One product of all words with all words: the vectors are shared, not copied S times.
        flat = cosine(x.flatten(0, 1), y.flatten(0, 1))
        return (
            flat.unflatten(0, x.shape[:2]).unflatten(2, y.shape[:2]).transpose(1, 2).flatten(0, 1)
        )

    def lengths(self) -> tuple[Tensor, Tensor]:
        """Real words of either side of every problem, ``[P]`` each."""
        return (self.a > 0).sum(1), (self.b > 0).sum(1)

    def head(self, sentences: int) -> Problems:
        """The same of the first sentences alone."""
        lengths = zip(self.x_mask.sum(1).tolist(), self.y_mask.sum(1).tolist(), strict=True)
        vectors = zip(self.x, self.y, lengths, strict=True)
        pairs = [(x[:n], y[:m]) for x, y, (n, m) in islice(vectors, sentences)]
        return Problems.of(self.name, pairs, str(self.x.device), grid=self.grid)


def read_pairs(data: Path, count: int, longest: int = LONGEST) -> tuple[str, list[Pair]]:
    """A name for where they are from, and vectors of English-German pairs, shuffled, as many of each corpus.

    Of ``count`` pairs those with more than ``longest`` words on a side are left out. The first is
    one of middling size. Where there is no ``data/bitext``, they are those of the embedded sample.
    """
    folders = [data / "bitext" / corpus for corpus in CORPORA]
    if all(folder.is_dir() for folder in folders):
        sources = [_lines(folder / "en-de.en.gz", folder / "en-de.de.gz") for folder in folders]
        name = " + ".join(CORPORA)
    else:
        sources, name = [_lines(SAMPLE / "train.en.txt", SAMPLE / "train.de.txt")], "sample"
    mixed = [pair for pair in chain.from_iterable(zip_longest(*sources)) if pair]
    found = [pair for pair in _vectors(mixed[:count]) if max(map(len, pair)) <= longest]
    by_size = sorted(
        range(len(found)), key=lambda index: len(found[index][0]) * len(found[index][1])
    )
    found.insert(0, found.pop(by_size[len(found) // 2]))
    return f"{name} en-de", found


def ragged(pairs: list[Pair], sentences: int) -> list[Pair]:
    """The first pairs as they are."""
    return pairs[:sentences]


def equal(pairs: list[Pair], sentences: int) -> list[Pair]:
    """Pairs whose two sides are long enough, cut to ``SIZE`` words a side."""
    long = (pair for pair in pairs if min(len(pair[0]), len(pair[1])) >= SIZE)
    return [(x[:SIZE], y[:SIZE]) for x, y in islice(long, sentences)]


def _lines(first: Path, second: Path) -> list[tuple[str, str]]:
    """Line-aligned pairs without empty sides, shuffled: neighbours in a corpus are of one kind."""
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
    """Word vectors ``[n, D]`` of each text: the last layer's, of each word's last sub-word."""
    rows = encoder.tokenise(texts, pretokenised=False)
    found: dict[int, Tensor] = {}
    # By length, so that no short sentence is encoded at a long one's width.
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    for start in range(0, len(order), 64):
        chosen = order[start : start + 64]
        batch = encoder.collate([rows[index] for index in chosen])
        vectors, mask = encoder.encode(batch, (-1,)).words(-1, "last")
        for index, words, real in zip(chosen, vectors, mask, strict=True):
            found[index] = words[real].clone()
    return [found[index] for index in range(len(texts))]
