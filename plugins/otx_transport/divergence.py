"""The Sinkhorn divergence of the batch's words: the paper's objective, solved to convergence."""

from __future__ import annotations

from otx.types import EncodedPair, Loss
from otx_transport.base import TransportObjective, converged_loss, measures
from otx_transport.options import DivergenceOptions


class Divergence(TransportObjective[DivergenceOptions]):
    """Sinkhorn divergence of all words of the batch: the paper's objective, solved to convergence.

    Minimises::

        loss = S(a, b) = OT(a, b) - OT(a, a) / 2 - OT(b, b) / 2

    with OT, masses, costs, gradient and shapes of ``sinkhorn``, which is the same formula pair by pair. All words of a
    side are pooled, the more likely reading of the paper: a word may be matched with any word of the batch, without
    preference for its own translation's sentence. The loss has one problem per batch where ``sinkhorn`` has one per
    pair, so the gradient per word is smaller, and the best learning rate differs.

    Args:
        options: Options of ``divergence``: those of ``sinkhorn`` without ``debias``, with ``scope`` ("batch").
        dimension: Width D of the encoder's states; not used.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - With ``marginals = "idf"``: ``pair[Idf]``: inverse document frequencies of the words.

    Scope:
        ``batch``; ``mean`` over the pairs for ``scope = "sentence"``.

    Relation to others:
        Cosine cost and epsilon .1 are otx's defaults, not the paper's. The recipe ``wordot`` is
        ``annealed-divergence``, which is what GeomLoss computes by default; ``wordot-text`` is this objective with
        euclidean cost and epsilon .05.

    When not to use it:
        If one-to-one matching matters: pooled, words approach the other language's distribution more than their
        translations.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = Divergence(DivergenceOptions(), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, loss.health["converged"].item()
        (torch.Size([]), 1.0)

    References:
        - Alqahtani et al. (2021), "Using Optimal Transport as Alignment Objective for fine-tuning Multilingual
          Contextualized Embeddings". https://arxiv.org/abs/2110.02887
        - Feydy et al. (2019), "Interpolating between Optimal Transport and MMD using Sinkhorn Divergences".
          https://arxiv.org/abs/1810.08278
    """

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        options = self.options
        return converged_loss(measures(pair, options), options, tau=None, debias=True)
