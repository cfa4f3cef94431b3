"""The Sinkhorn divergence as GeomLoss computes it, which is what was published."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from otx.ot.solvers.geomloss import geomloss_divergence
from otx.ot.transport import Transport
from otx.types import EncodedPair, Loss
from otx_transport.base import TransportObjective, mean_loss, measures
from otx_transport.options import AnnealedOptions


class AnnealedDivergence(TransportObjective[AnnealedOptions]):
    """GeomLoss's Sinkhorn divergence by its fixed annealing schedule, as it was published.

    Minimises, as ``SamplesLoss("sinkhorn")`` with p = 2, debiased::

        loss = 1/P sum over problems  S(a, b) = OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2

    with C = ||x - y||^2 / 2, a sum over dimensions, and epsilon = blur^2 (.0025 by default), as ``sinkhorn`` defines
    them; masses sum to 1. The potentials are those of a fixed schedule: epsilon falls from the squared diameter of a
    problem's words to blur^2 by factors of scaling^2, with one averaged update at each. The schedule does not run to
    convergence, and the value may be negative, which the divergence cannot be.

    The gradient and the shapes are those of ``sinkhorn``. Value and gradient equal GeomLoss's within rounding on the
    words of each problem: pooled (``scope = "batch"``, recipe ``wordot``) or pair by pair, with a diameter for each
    pair. ``Loss.plan`` and the health numbers are those of the plan that the potentials give when each of its rows is
    scaled to its word's mass; ``marginal_error`` is then the error of the columns, at most 2. There is no
    ``converged``: the stop for unconverged runs does not apply to what never converges.

    Args:
        options: Options of ``annealed-divergence``: ``blur`` (0.05, in the unit of the vectors, above 0); ``scaling``
            (0.5, above 0 and below 1); ``marginals`` ("uniform"), ``unit`` ("words"), ``layer`` (-1), ``word_vector``
            ("last"), ``scope`` ("sentence").
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - With ``marginals = "idf"``: ``pair[Idf]``: inverse document frequencies of the words.

    Scope:
        ``mean`` over the pairs for ``scope = "sentence"``; ``batch`` for ``scope = "batch"``, which pools all words of
        each side into one problem. A batch holds one language pair, so languages never mix.

    Relation to others:
        ``sinkhorn`` solves such problems where they can be solved. An encoder of hundreds of dimensions puts words tens
        of thousands of these epsilons apart; the schedule then ends at something like each word's nearest neighbour,
        with a marginal error of a third to a half.

    When not to use it:
        For anything but a comparison with what was published.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = AnnealedDivergence(AnnealedOptions(blur=0.05), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> "converged" in loss.health, "marginal_error" in loss.health
        (False, True)

    References:
        - Alqahtani et al. (2021), "Using Optimal Transport as Alignment Objective for fine-tuning Multilingual
          Contextualized Embeddings". https://arxiv.org/abs/2110.02887
        - Feydy (2020), "Geometric Data Analysis, Beyond Convolutions", section 3.3.
          https://www.jeanfeydy.com/geometric_data_analysis.pdf
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        options, sides = self.options, measures(pair, self.options)
        a, b = sides.a, sides.b
        solved = geomloss_divergence(
            sides.x, sides.y, a, b, blur=options.blur, scaling=options.scaling
        )
        cross = with_exact_rows(solved.cross, a, b)
        left, right = with_exact_rows(solved.left, a, a), with_exact_rows(solved.right, b, b)
        loss = mean_loss(solved.value, cross, left, right)
        health = {name: number for name, number in loss.health.items() if name != "converged"}
        return replace(loss, health=health)


def with_exact_rows(transport: Transport, a: Tensor, b: Tensor) -> Transport:
    """Return a transport whose plan has exact rows: each is scaled to the mass of its word.

    Far from convergence, the plan of the potentials may hold any mass, 1e5 as well as 1. The gradient comes from plans
    with one exact side, and so should the reported numbers.

    Args:
        transport: A transport with potentials far from convergence.
        a: Source masses ``[P, N]``.
        b: Target masses ``[P, M]``.

    Returns:
        The transport with the scaled plan, its mass, and the error of its columns.
    """
    rows = transport.plan.sum(2).clamp_min(1e-30)
    plan = transport.plan * (a / rows)[:, :, None]
    error = (plan.sum(1) - b).abs().sum(1)
    return replace(transport, entries=lambda: plan, mass=plan.sum((1, 2)), marginal_error=error)
