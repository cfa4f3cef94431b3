"""Entropic optimal transport between the two sides' words."""

from __future__ import annotations

from otx.types import EncodedPair, Loss
from otx_transport.entropic import converged_loss
from otx_transport.measures import measures
from otx_transport.options import SinkhornOptions
from otx_transport.over_measures import OverMeasures


class Sinkhorn(OverMeasures[SinkhornOptions]):
    """The mean over problems of the Sinkhorn divergence, or with ``debias`` off of its first term.

    ::

        loss     = 1/P sum over problems  S(a, b)
        S(a, b)  = OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2
        OT(a, b) = min over plans pi >= 0 with rows a and columns b  of
                   sum_ij pi_ij C_ij + epsilon KL(pi | a b^T)

    A problem is one pair (``scope = "sentence"``) or all words of each side of the batch pooled
    (``scope = "batch"``, P = 1; a batch holds one language pair, so languages never mix). Masses a
    and b sum to 1 in each problem, so OT is a mean over words, weighted by ``marginals``: uniform,
    the L2 norm of the vector (detached; Word Rotator's Distance), or smooth idf counted on the
    bitext. C is 1 - cos, ||x - y|| or ||x - y||^2 / 2; the last two sum over dimensions, so epsilon
    and the loss's weight depend on the encoder's width and scale.

    The gradient is the envelope's: the plans times the costs' gradients, through both sides, in
    both arguments of the self terms; norm masses are constants.

    Needs hidden states ``[B, T, D]`` of one layer, idf weights for ``marginals = "idf"``; no links.
    Scope as set: ``sentence``, where the batch's loss is the mean of its pairs', or ``batch``. The
    plan of the result is ``[B, W, W']``, pooled ``[1, N, M]``.

    Relation to the paper: recipe ``wordot-text`` is this with euclidean cost, pooled; recipe
    ``wordot`` is ``annealed-divergence``. ``unbalanced`` lets words go without a partner, which
    noisy bitext wants: here every word must have one. The value draws distributions together and
    leaves one-to-one matching to itself (an independent test saw alignment error rise from .18 to
    .32 with the paper's objective): look at the guards beside the loss, add ``keep-close``. Without
    ``debias`` the loss is smallest where all words lie in one point. Not for costs of
    tens of thousands of epsilons, as half squared euclidean has them with GeomLoss's .0025: pooled
    batches of such do not converge, and the run stops.

    Sawsan Alqahtani et al.: Using Optimal Transport as Alignment Objective for fine-tuning
    Multilingual Contextualized Embeddings. Findings of EMNLP 2021. Jean Feydy et al.: Interpolating
    between Optimal Transport and MMD using Sinkhorn Divergences. AISTATS 2019. Sho Yokoi et al.:
    Word Rotator's Distance. EMNLP 2020.
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        options = self.options
        return converged_loss(measures(pair, options), options, tau=None, debias=options.debias)
