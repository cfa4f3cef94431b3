"""The Sinkhorn divergence of the batch's words: the paper's objective, solved to convergence."""

from __future__ import annotations

from otx.types import EncodedPair, Loss
from otx_transport.entropic import converged_loss
from otx_transport.measures import measures
from otx_transport.options import DivergenceOptions
from otx_transport.over_measures import OverMeasures


class Divergence(OverMeasures[DivergenceOptions]):
    """The Sinkhorn divergence between all words of the batch's two sides.

    ::

        loss = S(a, b) = OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2

    with OT, masses, costs, gradient, needs and shapes as in ``sinkhorn``, which is the same formula
    pair by pair. Here all words of a side are pooled (``scope = "batch"``), the likelier reading of
    the paper: a word may be matched with any word of the batch, its own translation's sentence
    having no privilege, and the loss has one problem a batch where ``sinkhorn`` has one a pair. So
    its gradient per word is smaller, and the best learning rate another.

    Needs hidden states ``[B, T, D]`` of one layer. Scope: batch, or as set.

    Relation to what is published: cosine and epsilon .1 are otx's defaults, not the paper's. The
    recipe ``wordot`` is ``annealed-divergence``, what GeomLoss's defaults compute; ``wordot-text``
    is this with euclidean cost and epsilon .05. Pooled, words are drawn towards the other
    language's distribution more than towards their translations: not where one-to-one matching is
    what is wanted.

    Sawsan Alqahtani et al.: Using Optimal Transport as Alignment Objective for fine-tuning
    Multilingual Contextualized Embeddings. Findings of EMNLP 2021. Jean Feydy et al.: Interpolating
    between Optimal Transport and MMD using Sinkhorn Divergences. AISTATS 2019.
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """The loss of one batch of one language pair."""
        options = self.options
        return converged_loss(measures(pair, options), options, tau=None, debias=True)
