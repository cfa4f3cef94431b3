"""Distillation of a teacher's vectors of the pivot side into both sides."""

from __future__ import annotations

from torch import Tensor, nn

from otx.errors import UsageError
from otx.ot.precision import at_least_float32, no_autocast
from otx.types import EncodedPair, Loss, Scope
from otx.views import States, Teacher
from otx_baselines.options import DistillOptions


class Distill(nn.Module):
    """Mean squared difference to a frozen teacher's vectors of the pivot side.

    Minimises, with t_b the teacher's sentence vector (mean over its sub-words, last layer) of pair b's pivot, and p_b
    and s_b the encoder's of the pivot and the source::

        sentence  1/(2 B D) sum_b (||p_b - t_b||^2 + ||s_b - t_b||^2)
        token     1/2 (1/(N D) sum over the N pivot sub-words i  ||p_i - t_i||^2
                       + 1/(B D) sum_b ||s_b - t_b||^2)

    The pivot side keeps, or adopts, the teacher's geometry, and the source side approaches its translation. In
    ``token`` form, the pivot side is held sub-word by sub-word, which needs a teacher with the same tokenizer; the
    source side, whose sub-words have no counterpart, is compared as a sentence. The sentence form is that of Reimers &
    Gurevych, except for the factor one half.

    Args:
        options: Options of ``distill``. ``form`` ("sentence"); ``teacher_width`` (none): dimension of the teacher's
            vectors if it differs from the encoder's: a linear map is then trained with the encoder and discarded
            afterwards, and the teacher's space is only learnt up to that map; ``layer`` (-1).
        dimension: Width D of the encoder's states.

    Inputs:
        - ``pair.source`` and ``pair.pivot``: hidden states ``[B, T, D]`` of layer ``options.layer``.
        - ``pair[Teacher]``: the teacher's states of the pivot side. The teacher is ``align.teacher``; without one, it
          is the initial encoder, and the source side approaches where the pivot side was.

    Scope:
        ``mean`` over the pairs in ``sentence`` form; ``batch`` in ``token`` form, whose two means differ in their
        numbers.

    Relation to others:
        ``keep-close`` is the pivot half with the initial encoder and words. ``sentence-contrastive`` separates
        sentences, which a squared distance does not.

    When not to use it:
        With a teacher whose sentence vectors all look alike (those of a plain mean-pooled encoder have cosines of 0.9):
        it teaches little; check the collapse diagnostics. The result is only as good as the teacher.

    Example:
        >>> from otx.testing import example_pair
        >>> objective = Distill(DistillOptions(), dimension=8)
        >>> pair = example_pair(objective.views, dimension=8)
        >>> loss = objective(pair)
        >>> loss.value.backward()
        >>> loss.value.shape, bool(loss.value > 0)
        (torch.Size([]), True)

    References:
        - Reimers & Gurevych (2020), "Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation".
          https://arxiv.org/abs/2004.09813
    """

    def __init__(self, options: DistillOptions, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views = {States(options.layer), Teacher()}
        self.scope: Scope = "mean" if options.form == "sentence" else "batch"
        self.map: nn.Module = nn.Identity()
        if options.teacher_width is not None:
            self.map = nn.Linear(dimension, options.teacher_width, bias=False)

    def forward(self, pair: EncodedPair) -> Loss:
        """Return the loss of one batch of one language pair.

        Args:
            pair: The batch, with the views that the objective declares.
        """
        sentences = at_least_float32(pair[Teacher].sentences(-1))
        source = self._mapped(pair.source.sentences(self.options.layer), sentences)
        if self.options.form == "sentence":
            pivot = self._mapped(pair.pivot.sentences(self.options.layer), sentences)
            taught = sentences
        else:
            pivot, taught = self._subwords(pair)
        halves = (source - sentences).square().mean() + (pivot - taught).square().mean()
        return Loss(halves / 2, count=len(pair))

    def _subwords(self, pair: EncodedPair) -> tuple[Tensor, Tensor]:
        """The pivot side's sub-words ``[N, D]`` by the encoder and by the teacher."""
        teacher, layer = pair[Teacher], self.options.layer
        own, theirs = pair.pivot.word_index >= 0, teacher.word_index >= 0
        if own.sum(1).tolist() != theirs.sum(1).tolist():
            raise UsageError(
                "distill: the teacher cuts the pivot side into other sub-words than the encoder",
                "take a teacher with the same tokenizer, or distill.form = sentence",
            )
        taught = at_least_float32(teacher.tokens[-1][theirs])
        return self._mapped(pair.pivot.tokens[layer][own], taught), taught

    def _mapped(self, vectors: Tensor, taught: Tensor) -> Tensor:
        vectors = at_least_float32(vectors)
        with no_autocast(vectors):
            mapped: Tensor = self.map(vectors)
        if mapped.shape[-1] != taught.shape[-1]:
            raise UsageError(
                f"distill: the teacher's vectors have {taught.shape[-1]} dimensions, "
                f"the encoder's {mapped.shape[-1]}",
                f"set distill.teacher_width = {taught.shape[-1]}",
            )
        return mapped
