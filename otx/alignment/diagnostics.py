"""Diagnostics of an encoder: retrieval, word alignment and the spread of the vectors, because loss is not the goal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from otx.alignment.heldout_retrieval import BATCH, HeldOut, SentenceVectors
from otx.data.inference import by_length, reading
from otx.interfaces import Encoder
from otx.links.aer import METRICS, aer_statistics
from otx.links.extract import mutual_nearest
from otx.links.gold import GoldPair
from otx.runs.ceilings import ceiling
from otx.runs.losses import averaged_steps
from otx.runs.measures import measure_text
from otx.types import WordVector

COLLAPSE_PAIRS = 4_000


@dataclass(slots=True)
class Measurement:
    """The diagnostics of one encoder on one held-out part.

    Attributes:
        numbers: Values by name. ``retrieval.xx``: share of held-out sentences whose translation is the nearest
            candidate by cosine, averaged over both directions; ``retrieval``: the mean over languages; ``aer``:
            alignment error rate of the mutual argmax on the gold pairs, if any; ``random_cosine``: mean cosine of
            random pairs of held-out sentence vectors (1 = collapsed); ``effective_rank``: exp of the entropy of the
            singular values of the centred sentence vectors.
        queries: Number of held-out sentences of both sides, by language.
        candidates: Number of candidates on each side, by language.
        examples: Number of sentence pairs that ``retrieval`` and ``aer`` are measured on.
        errors: Number of these pairs that are not perfect: not retrieved in both directions, or with a word-alignment
            error.

    References:
        Roy & Vetterli (2007), "The effective rank: A measure of effective dimensionality", EUSIPCO.
    """

    numbers: dict[str, float] = field(default_factory=dict)
    queries: dict[str, int] = field(default_factory=dict)
    candidates: dict[str, int] = field(default_factory=dict)
    examples: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)

    def ceilings(self) -> dict[str, str]:
        """Return the reason for each measure that cannot show a gain, by name."""
        reasons = {name: ceiling(self.examples[name], self.errors[name]) for name in self.examples}
        return {name: reason for name, reason in reasons.items() if reason}


def measure(
    encoder: Encoder,
    parts: Sequence[HeldOut],
    layer: int,
    word_vector: WordVector,
    *,
    max_length: int | None = None,
) -> list[Measurement]:
    """Measure an encoder on held-out parts; sentences that parts share are encoded once.

    Args:
        encoder: The encoder, on its device.
        parts: Held-out pairs, distractors and gold word links.
        layer: Hidden layer of the vectors.
        word_vector: Sub-words that make a word's vector.
        max_length: Maximum number of sub-words of a sentence; None means the encoder's own limit.

    Returns:
        One measurement per part.
    """
    with reading(encoder):
        sentences = (sentence for part in parts for sentence in part.sentences())
        vectors = SentenceVectors.encode(encoder, sentences, layer, max_length)
        measured = []
        for part in parts:
            measurement = _retrieval(vectors, part)
            if part.gold:
                error, wrong = alignment_error(
                    encoder, part.gold, layer, word_vector, max_length=max_length
                )
                measurement.numbers["aer"] = error
                measurement.examples["aer"] = len(part.gold)
                measurement.errors["aer"] = wrong
            measured.append(measurement)
    return measured


def _retrieval(vectors: SentenceVectors, part: HeldOut) -> Measurement:
    measurement = Measurement()
    numbers = measurement.numbers
    everything = []
    wrong = 0
    for language, candidates in vectors.candidates(part).items():
        hits = candidates.find()
        numbers[f"retrieval.{language}"] = float(hits.double().mean())
        wrong += int((~hits.all(1)).sum())
        count = candidates.queries
        everything += [candidates.source[:count], candidates.pivot[:count]]
        measurement.queries[language] = 2 * count
        measurement.candidates[language] = len(candidates.source)
    if everything:
        numbers["retrieval"] = sum(numbers.values()) / len(numbers)
        held_out = torch.cat(everything)
        numbers["random_cosine"] = random_cosine(held_out)
        numbers["effective_rank"] = effective_rank(held_out)
        measurement.examples["retrieval"] = len(held_out) // 2
        measurement.errors["retrieval"] = wrong
    return measurement


def random_cosine(vectors: Tensor) -> float:
    """Return the mean cosine of random pairs of different rows.

    Args:
        vectors: Sentence vectors ``[N, D]``.

    Example:
        >>> round(random_cosine(torch.ones(3, 2)), 4)
        1.0
    """
    generator = torch.Generator().manual_seed(0)
    i = torch.randint(len(vectors), (COLLAPSE_PAIRS,), generator=generator)
    step = torch.randint(1, max(2, len(vectors)), (COLLAPSE_PAIRS,), generator=generator)
    j = (i + step) % len(vectors)
    return float(functional.cosine_similarity(vectors[i], vectors[j]).mean())


def effective_rank(vectors: Tensor) -> float:
    """Return the effective rank of the centred rows: exp of the entropy of the normalised singular values.

    Args:
        vectors: Sentence vectors ``[N, D]``.

    Returns:
        A number from 1 (all variance in one direction) to ``min(N - 1, D)``.

    Example:
        >>> round(effective_rank(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])), 4)
        1.0

    References:
        Roy & Vetterli (2007), "The effective rank: A measure of effective dimensionality", EUSIPCO.
    """
    values = torch.linalg.svdvals(vectors - vectors.mean(0))
    shares = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(torch.special.entr(shares).sum()))


def alignment_error(
    encoder: Encoder,
    gold: Sequence[GoldPair],
    layer: int,
    word_vector: WordVector,
    *,
    max_length: int | None = None,
) -> tuple[float, int]:
    """Measure the alignment error rate (AER) of the mutual argmax of the cosine of word vectors.

    Words that the encoder cuts off have no links.

    Args:
        encoder: The encoder, on its device.
        gold: Sentence pairs with sure and possible links.
        layer: Hidden layer of the vectors.
        word_vector: Sub-words that make a word's vector.
        max_length: Maximum number of sub-words of a sentence; None means the encoder's own limit.

    Returns:
        The AER over all pairs, and the number of pairs with an error.
    """
    error = next(metric for metric in METRICS if metric.name == "aer")
    source, pivot = (
        encoder.tokenise(
            [" ".join(getattr(pair, side)) for pair in gold],
            pretokenised=True,
            max_length=max_length,
        )
        for side in ("source", "target")
    )
    sums: dict[str, float] = {}
    wrong = 0
    for indices in by_length(source, BATCH):
        sides = []
        for rows in (source, pivot):
            batch = encoder.collate([rows[i] for i in indices])
            vectors, mask = encoder.encode(batch, (layer,)).words(layer, word_vector)
            sides += [vectors.float(), mask]
        predicted: list[set[tuple[int, int]]] = [set() for _ in indices]
        for row, i, j in mutual_nearest(*sides).tolist():
            predicted[row].add((i, j))
        for links, index in zip(predicted, indices, strict=True):
            statistics = aer_statistics(frozenset(links), gold[index].links)
            wrong += bool(error.compute(statistics) > 0)
            for name, value in statistics.items():
                sums[name] = sums.get(name, 0.0) + value
    return float(error.compute(sums)), wrong


def loss_ends(losses: Sequence[float]) -> tuple[float, float]:
    """Return the mean loss of the first and of the last tenth of the steps; a single step's is mostly noise.

    Args:
        losses: The loss of every step, in order.
    """
    few = averaged_steps(len(losses))
    return sum(losses[:few]) / few, sum(losses[-few:]) / few


def verdict(
    loss_first: float,
    loss_last: float,
    before: dict[str, float],
    after: dict[str, float],
    *,
    at_ceiling: Collection[str] = (),
) -> list[str]:
    """Describe in plain sentences which diagnostics got worse; a sentence says so if the loss fell meanwhile.

    Args:
        loss_first: Mean loss at the beginning.
        loss_last: Mean loss at the end.
        before: Diagnostics of the initial encoder.
        after: Diagnostics of the aligned encoder.
        at_ceiling: Measures at their ceiling before and after. They are left out: too few examples differ to matter.

    Example:
        >>> verdict(2.0, 1.0, {"retrieval": 0.9}, {"retrieval": 0.8})
        ['the loss fell, but held-out retrieval fell from 90.0% to 80.0%']
    """
    fell = "the loss fell, but " if loss_last < loss_first else ""

    def change(name: str) -> str:
        return f"from {measure_text(name, before[name])} to {measure_text(name, after[name])}"

    lines = []
    if "retrieval" not in at_ceiling and after.get("retrieval", 0) < before.get("retrieval", 0):
        lines.append(f"{fell}held-out retrieval fell {change('retrieval')}")
    if "aer" not in at_ceiling and after.get("aer", 0) > before.get("aer", 0):
        lines.append(f"{fell}word-alignment error rose {change('aer')}")
    collapsing = f"{fell}the sentence vectors are collapsing:"
    if after.get("effective_rank", 0) < 0.5 * before.get("effective_rank", 0):
        lines.append(f"{collapsing} effective rank {change('effective_rank')}")
    if 1 - after.get("random_cosine", 0) < 0.5 * (1 - before.get("random_cosine", 0)):
        lines.append(f"{collapsing} cosine of random pairs {change('random_cosine')}")
    return lines
