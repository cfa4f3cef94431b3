"""Distillation of a teacher's vectors of the pivot side into both sides."""

from __future__ import annotations

from torch import Tensor, nn

from otx.errors import UsageError
from otx.ot.precision import full_precision, raised
from otx.types import EncodedPair, Loss, Scope
from otx.views import States, Teacher
from otx_baselines.options import DistillOptions


class Distill(nn.Module):
    """The mean squared difference to a frozen teacher's vectors of the pivot side.

    With t_b the teacher's sentence vector (mean over its sub-words, last layer) of pair b's pivot,
    p_b and s_b the encoder's of the pivot and the source::

        sentence  1/(2 B D) sum_b (||p_b - t_b||^2 + ||s_b - t_b||^2)
        token     1/2 (1/(N D) sum over the N pivot sub-words i  ||p_i - t_i||^2
                       + 1/(B D) sum_b ||s_b - t_b||^2)

    so that the pivot side keeps, or takes on, the teacher's geometry and the source side is drawn
    to where its translation is. In ``token`` form the pivot side is held sub-word by sub-word, which
    asks for a teacher with the same tokenizer; the source side, whose sub-words have no counterpart,
    is compared as a sentence. Reimers & Gurevych's is the sentence form (theirs without the half).

    The teacher is ``align.teacher``; without one it is the untouched encoder, and the source side
    then comes to where the pivot side was. Where the teacher's vectors have another width than the
    encoder's, a linear map (``teacher_width``) that is trained with it and thrown away stands
    between: the teacher's space is then only learnt up to that map. Raises UsageError where widths
    or, in token form, sub-words do not fit.

    Needs hidden states ``[B, T, D]`` of one layer and the teacher's of the pivot side; no links.
    Scope: batch, through the means.

    Neighbours: ``keep-close`` is the pivot half with the untouched encoder and words;
    ``sentence-contrastive`` tells sentences apart, which a squared distance does not. The result
    is as good as the teacher, and a teacher whose sentence vectors all look alike (a plain
    mean-pooled encoder's have cosines of .9) teaches little: look at the collapse guards.

    Nils Reimers, Iryna Gurevych: Making Monolingual Sentence Embeddings Multilingual using
    Knowledge Distillation. EMNLP 2020.
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
        """The loss of one batch of one language pair."""
        sentences = raised(pair[Teacher].sentences(-1))
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
        taught = raised(teacher.tokens[-1][theirs])
        return self._mapped(pair.pivot.tokens[layer][own], taught), taught

    def _mapped(self, vectors: Tensor, taught: Tensor) -> Tensor:
        vectors = raised(vectors)
        with full_precision(vectors):
            mapped: Tensor = self.map(vectors)
        if mapped.shape[-1] != taught.shape[-1]:
            raise UsageError(
                f"distill: the teacher's vectors have {taught.shape[-1]} dimensions, "
                f"the encoder's {mapped.shape[-1]}",
                f"set distill.teacher_width = {taught.shape[-1]}",
            )
        return mapped
