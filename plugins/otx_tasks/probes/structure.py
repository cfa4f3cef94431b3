"""Geometry of a language's sentence vectors compared with that of their English translations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from otx.data.inference import encode_texts, reading
from otx.interfaces import Encoder
from otx.links.neighbours import neighbours
from otx.types import Example, Score
from otx_tasks.probes import STRUCTURE
from otx_tasks.probes.parallel_task import ParallelTask

FOLDS = 2
RIDGE = 1e-3
"""Ridge of the language probe as a share of the mean variance, which keeps its equations solvable."""


class StructureTask(ParallelTask):
    """Properties of mean-pooled sentence vectors that an alignment changes.

    ``cka``: linear CKA of the two languages; 1 means the same geometry up to rotation and scale.
    ``language_id``: accuracy of a linear probe that tells the language from English, fitted by least squares on one
    half of the pairs and tested on the other; .5 means that they cannot be told apart.
    ``cosine``: mean cosine of two different sentences of the language; 0 means isotropic.
    ``dimension``: participation ratio of the language's covariance; 1 means that all sentences are on one line.
    ``hubness``: skewness of the number of times an English sentence is among the nearest of the language's; 0 means
    that no sentence is a hub.

    Each is computed from sums over the examples. For those that are about all pairs of sentences (cka, dimension), a
    bootstrap resamples the outer sum.

    Args:
        options: Options of the task.

    References:
        Kornblith et al. (2019), "Similarity of Neural Network Representations Revisited" (CKA).
        https://arxiv.org/abs/1905.00414
        Radovanovic et al. (2010), "Hubs in Space". https://www.jmlr.org/papers/v11/radovanovic10a.html
    """

    info = STRUCTURE

    def probe(self, encoder: Encoder, language: str) -> dict[str, Any]:
        """Return the statistics of every pair."""
        examples = self.examples(language)
        with reading(encoder):
            vectors, english = (
                encode_texts(
                    encoder,
                    [example.fields[side] for example in examples],
                    self.options.layer,
                    self.options.batch,
                )[0].double()
                for side in ("source", "pivot")
            )
        near = counts_of(neighbours(vectors, english, self.options.neighbours).places, len(english))
        columns = {
            **kernels(vectors, english),
            "told": language_probe(vectors, english),
            "cosine": functional.cosine_similarity(vectors, vectors.roll(1, 0)),
            "near": near,
            "near2": near**2,
            "near3": near**3,
        }
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return {
            example.id: dict(zip(columns, row, strict=True))
            for example, row in zip(examples, rows, strict=True)
        }

    def score(self, prediction: Any, example: Example) -> Score:
        """Return the statistics unchanged, and ``n`` = 1."""
        return Score(example.id, example.cluster, {**prediction, "n": 1.0})


def kernels(x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Return each row's share of the sums behind CKA and the participation ratio.

    With K and L the centred linear kernels of ``x`` and ``y``: ``both`` sums to <K, L>, ``own`` to <K, K>, ``other``
    to <L, L>, and ``power`` to the trace of K.

    Args:
        x: Sentence vectors ``[N, D]``.
        y: Vectors of their translations ``[N, D]``.

    Returns:
        Shares ``[N]`` by name.
    """
    x, y = x - x.mean(0), y - y.mean(0)
    # <K, L> = |X'Y|^2, and row i's share is x_i (X'Y) y_i, so that no N x N matrix is needed.
    cross = ((x @ (x.mT @ y)) * y).sum(1)
    own = ((x @ (x.mT @ x)) * x).sum(1)
    other = ((y @ (y.mT @ y)) * y).sum(1)
    return {"both": cross, "own": own, "other": other, "power": (x**2).sum(1)}


def language_probe(x: Tensor, y: Tensor) -> Tensor:
    """Return the accuracy of a language probe on each pair.

    The probe is fitted on the other half of the pairs. Its accuracy is the share of the pair's two sides that it
    assigns to their language.

    Args:
        x: Sentence vectors ``[N, D]`` of the language.
        y: Vectors ``[N, D]`` of their translations.

    Returns:
        0, .5 or 1 for each pair ``[N]``.
    """
    halves = torch.arange(len(x)) % FOLDS
    right = torch.full((len(x),), 0.5, dtype=torch.float64)
    for half in range(FOLDS):
        tested, fitted = halves == half, halves != half
        if not fitted.any():
            continue
        centre = torch.cat([x[fitted], y[fitted]]).mean(0)
        inside = torch.cat([x[fitted], y[fitted]]) - centre
        scatter = inside.mT @ inside / len(inside)
        scatter.diagonal().add_(RIDGE * scatter.diagonal().mean().clamp(min=1e-12))
        direction = torch.linalg.solve(scatter, x[fitted].mean(0) - y[fitted].mean(0))
        for side, sign in ((x, 1), (y, -1)):
            # On the boundary the probe guesses, and is right half the time.
            right[tested] += ((side[tested] - centre) @ direction).sign() * sign / 4
    return right


def counts_of(places: Tensor, size: int) -> Tensor:
    """Count how often each number occurs.

    Args:
        places: Whole numbers below ``size``, of any shape.
        size: Number of counts.

    Returns:
        Counts ``[size]``.

    Example:
        >>> counts_of(torch.tensor([[0, 2], [2, 2]]), 3).tolist()
        [1.0, 0.0, 3.0]
    """
    return torch.bincount(places.flatten(), minlength=size).double()
