"""What a language's sentences look like inside the encoder, beside their English translations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from otx.data.inference import reading, sentence_vectors
from otx.interfaces import Encoder
from otx.links.neighbours import neighbours
from otx.types import Example, Score
from otx_tasks import infos
from otx_tasks.probes.parallel_task import ParallelTask

FOLDS = 2
RIDGE = 1e-3
"""Of the mean variance: what keeps the language probe's equations solvable."""


class StructureTask(ParallelTask):
    """What alignment changes, of mean-pooled sentence vectors:

    ``cka``: linear CKA of the two languages (Kornblith et al. 2019), 1 = the same geometry up to rotation and scale.
    ``language_id``: how often a linear probe, fitted by least squares on one half of the pairs and asked on the other,
    tells the language from English; .5 = they cannot be told apart.
    ``cosine``: mean cosine of two different sentences of the language, 0 = isotropic.
    ``dimension``: participation ratio of the language's covariance, 1 = all sentences on one line.
    ``hubness``: skewness of how often an English sentence is among the nearest of the language's (Radovanovic et al.
    2010), 0 = none is a hub.

    Each is computed from sums over the examples; of those that are about all pairs of sentences (cka, dimension), a
    bootstrap resamples the outer sum.
    """

    info = infos.STRUCTURE

    def probe(self, encoder: Encoder, language: str) -> dict[str, Any]:
        """The statistics of every pair."""
        examples = self.examples(language)
        with reading(encoder):
            own, english = (
                sentence_vectors(
                    encoder,
                    encoder.tokenise([example.fields[side] for example in examples]),
                    self.options.layer,
                    self.options.batch,
                ).double()
                for side in ("source", "pivot")
            )
        near = counts_of(neighbours(own, english, self.options.neighbours)[1], len(english))
        columns = {
            **kernels(own, english),
            "told": told_apart(own, english),
            "cosine": functional.cosine_similarity(own, own.roll(1, 0)),
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
        """The statistics as they are, and ``n`` = 1."""
        return Score(example.id, example.cluster, {**prediction, "n": 1.0})

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """Nothing beyond the numbers."""
        return []


def kernels(x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Rows' shares ``[N]`` of what CKA and the participation ratio are made of, from centred ``x``, ``y [N, D]``.

    With K and L the centred linear kernels: ``both`` sums to <K, L>, ``own`` to <K, K>, ``other`` to <L, L>;
    ``power`` to the trace of K.
    """
    x, y = x - x.mean(0), y - y.mean(0)
    # <K, L> = |X'Y|^2, and row i's share is x_i (X'Y) y_i: nothing of size N x N is made.
    cross = ((x @ (x.mT @ y)) * y).sum(1)
    own = ((x @ (x.mT @ x)) * x).sum(1)
    other = ((y @ (y.mT @ y)) * y).sum(1)
    return {"both": cross, "own": own, "other": other, "power": (x**2).sum(1)}


def told_apart(x: Tensor, y: Tensor) -> Tensor:
    """``[N]``: the share of each pair's sides (0, .5, 1) that a probe fitted on other pairs puts into its language."""
    halves = torch.arange(len(x)) % FOLDS
    right = torch.full((len(x),), 0.5, dtype=torch.float64)
    for half in range(FOLDS):
        asked, fitted = halves == half, halves != half
        if not fitted.any():
            continue
        centre = torch.cat([x[fitted], y[fitted]]).mean(0)
        inside = torch.cat([x[fitted], y[fitted]]) - centre
        scatter = inside.mT @ inside / len(inside)
        scatter.diagonal().add_(RIDGE * scatter.diagonal().mean().clamp(min=1e-12))
        direction = torch.linalg.solve(scatter, x[fitted].mean(0) - y[fitted].mean(0))
        for side, sign in ((x, 1), (y, -1)):
            # On the boundary it is a guess, right half the time.
            right[asked] += ((side[asked] - centre) @ direction).sign() * sign / 4
    return right


def counts_of(places: Tensor, size: int) -> Tensor:
    """``[size]``: how often each of ``size`` numbers stands in ``places``."""
    return torch.bincount(places.flatten(), minlength=size).double()
