"""Loss is not the goal: what alignment did to retrieval, word alignment and the spread of the vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from otx.contracts import Corpus, Encoder
from otx.data.reading import by_length, reading, sentence_vectors
from otx.data.subset import each_pair
from otx.links.aer import METRICS, aer_statistics
from otx.links.extract import mutual_nearest
from otx.links.nearest import cosine_similarity, hits
from otx.links.pharaoh import GoldPair
from otx.types import WordVector

BATCH = 64
COLLAPSE_PAIRS = 4_000


def measure(
    encoder: Encoder,
    corpora: Sequence[Corpus],
    gold: Sequence[GoldPair],
    layer: int,
    word_vector: WordVector,
) -> dict[str, float]:
    """The guards' numbers as ``name -> number``.

    ``retrieval.xx``: share of held-out sentences whose translation is nearest by cosine, both ways averaged;
    ``retrieval``: the mean over languages; ``aer``: alignment error rate of the mutual argmax on the gold pairs, if
    any; ``random_cosine``: mean cosine of random pairs of held-out sentence vectors (1 = collapsed);
    ``effective_rank``: exp of the entropy of the singular values of the centred sentence vectors (Roy & Vetterli 2007).
    """
    with reading(encoder):
        numbers = _retrieval(encoder, corpora, layer)
        if gold:
            numbers["aer"] = alignment_error(encoder, gold, layer, word_vector)
    return numbers


def _retrieval(encoder: Encoder, corpora: Sequence[Corpus], layer: int) -> dict[str, float]:
    sides: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for corpus in corpora:
        pairs = list(each_pair(corpus))
        if pairs:
            texts = [p.source for p in pairs], [p.pivot for p in pairs]
            cut = (encoder.tokenise(side, pretokenised=corpus.pretokenised) for side in texts)
            source, pivot = (sentence_vectors(encoder, rows, layer, BATCH) for rows in cut)
            sides.setdefault(corpus.source_language, []).append((source, pivot))
    numbers: dict[str, float] = {}
    everything = []
    for language, parts in sides.items():
        x, y = (torch.cat(side) for side in zip(*parts, strict=True))
        numbers[f"retrieval.{language}"] = nearest_accuracy(x, y)
        everything += [x, y]
    if everything:
        numbers["retrieval"] = sum(numbers.values()) / len(numbers)
        vectors = torch.cat(everything)
        numbers["random_cosine"] = random_cosine(vectors)
        numbers["effective_rank"] = effective_rank(vectors)
    return numbers


def nearest_accuracy(x: Tensor, y: Tensor) -> float:
    """Share of rows of ``x [N, D]`` whose nearest row of ``y`` by cosine is their own, averaged with the way back."""
    similarity = cosine_similarity(x, y)
    both = torch.stack([hits(similarity), hits(similarity.mT)])
    return float(both.double().mean())


def random_cosine(vectors: Tensor) -> float:
    """Mean cosine of random pairs of different rows of ``[N, D]``."""
    generator = torch.Generator().manual_seed(0)
    i = torch.randint(len(vectors), (COLLAPSE_PAIRS,), generator=generator)
    step = torch.randint(1, max(2, len(vectors)), (COLLAPSE_PAIRS,), generator=generator)
    j = (i + step) % len(vectors)
    return float(functional.cosine_similarity(vectors[i], vectors[j]).mean())


def effective_rank(vectors: Tensor) -> float:
    """exp(entropy of the normalised singular values) of the centred rows of ``[N, D]``; 1 = one direction."""
    values = torch.linalg.svdvals(vectors - vectors.mean(0))
    shares = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(torch.special.entr(shares).sum()))


def alignment_error(
    encoder: Encoder, gold: Sequence[GoldPair], layer: int, word_vector: WordVector
) -> float:
    """AER of the mutual argmax of the cosine of word vectors, over all gold pairs; lost words have no links."""
    source = encoder.tokenise([" ".join(pair.source) for pair in gold], pretokenised=True)
    pivot = encoder.tokenise([" ".join(pair.target) for pair in gold], pretokenised=True)
    sums: dict[str, float] = {}
    for indices in by_length(source, BATCH):
        sides = []
        for rows in (source, pivot):
            batch = encoder.collate([rows[i] for i in indices])
            vectors, mask = encoder.encode(batch, (layer,)).words(layer, word_vector)
            sides += [vectors.float(), mask]
        found: list[set[tuple[int, int]]] = [set() for _ in indices]
        for row, i, j in mutual_nearest(*sides).tolist():
            found[row].add((i, j))
        for links, index in zip(found, indices, strict=True):
            for name, value in aer_statistics(frozenset(links), gold[index].links).items():
                sums[name] = sums.get(name, 0.0) + value
    error = next(metric for metric in METRICS if metric.name == "aer")
    return float(error.compute(sums))


def loss_ends(losses: Sequence[float]) -> tuple[float, float]:
    """Mean loss of the first and of the last tenth of the steps, a single step's being mostly noise."""
    few = max(1, len(losses) // 10)
    return sum(losses[:few]) / few, sum(losses[-few:]) / few


def verdict(
    loss_first: float, loss_last: float, before: dict[str, float], after: dict[str, float]
) -> list[str]:
    """Plain sentences about what got worse; said loudest when the loss fell meanwhile."""
    fell = "the loss fell, but " if loss_last < loss_first else ""
    lines = []
    if after.get("retrieval", 0) < before.get("retrieval", 0):
        lines.append(
            f"{fell}held-out retrieval fell from {before['retrieval']:.1%} to {after['retrieval']:.1%}"
        )
    if after.get("aer", 0) > before.get("aer", 0):
        lines.append(
            f"{fell}word-alignment error rose from {before['aer']:.3f} to {after['aer']:.3f}"
        )
    if after.get("effective_rank", 0) < 0.5 * before.get("effective_rank", 0):
        ranks = f"{before['effective_rank']:.0f} to {after['effective_rank']:.0f}"
        lines.append(f"{fell}the sentence vectors are collapsing: effective rank {ranks}")
    if 1 - after.get("random_cosine", 0) < 0.5 * (1 - before.get("random_cosine", 0)):
        cosines = f"{before['random_cosine']:.3f} to {after['random_cosine']:.3f}"
        lines.append(f"{fell}the sentence vectors are collapsing: cosine of random pairs {cosines}")
    return lines
