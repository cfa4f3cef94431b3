"""From a batch of pairs to what an objective sees; each view that is asked for is computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from otx.errors import UsageError
from otx.interfaces import Encoder
from otx.links.extract import mutual_nearest
from otx.training.auxiliary_encoders import AuxiliaryEncoders
from otx.types import Encoded, EncodedPair, Masked, Needs, TokenBatch, WordVector

MASKED_SHARE = 0.15
MASK_TOKEN_SHARE, KEPT_SHARE = 0.8, 0.1


@dataclass(slots=True)
class PairBatch:
    """Both sides of a batch of one language pair, with what was counted or given for its words.

    ``links [L, 3]`` (pair, source word, pivot word) only where given; ``*_idf [B, W]``, ``joined`` (both sides in one
    sequence) and ``teacher_pivot`` (in the teacher's sub-words) only where asked for.
    """

    source: TokenBatch
    pivot: TokenBatch
    links: Tensor | None = None
    source_idf: Tensor | None = None
    pivot_idf: Tensor | None = None
    joined: TokenBatch | None = None
    teacher_pivot: TokenBatch | None = None


class Views:
    """Makes the EncodedPair that ``needs`` describes.

    Links that no file gives are the mutual nearest neighbours of the initial encoder's word vectors in
    ``links_layer``.
    """

    def __init__(
        self,
        encoder: Encoder,
        needs: Needs,
        beside: AuxiliaryEncoders,
        links_layer: int,
        word_vector: WordVector,
    ) -> None:
        self.encoder = encoder
        self.needs = needs
        self.beside = beside
        self.links_layer = links_layer
        self.word_vector = word_vector
        if (needs.masked or needs.tlm) and encoder.tokenizer.mask_token_id is None:
            raise UsageError(
                f"the tokenizer of {encoder.reference} has no mask token",
                "leave out the masked-LM objective, or take another encoder",
            )
        self._initial: list[Tensor] = []
        if needs.parameters:
            self._initial = [p.detach().clone() for p in encoder.module.parameters()]

    def __call__(self, batch: PairBatch) -> EncodedPair:
        """All views of one batch; random masks come from torch's state, which the loop sets per step."""
        needs, layers = self.needs, self.needs.layers
        empty = Encoded({}, batch.source.mask, batch.source.word_index)
        pair = EncodedPair(empty, Encoded({}, batch.pivot.mask, batch.pivot.word_index))
        if layers:
            pair.source = self.encoder.encode(batch.source, layers)
            pair.pivot = self.encoder.encode(batch.pivot, layers)
        if needs.links:
            pair.links = batch.links
        if self.beside.reference is not None:
            self._add_reference(pair, batch, self.beside.reference)
        if needs.momentum:
            self._add_momentum(pair, batch)
        if needs.teacher and pair.teacher_pivot is None:
            pair.teacher_pivot = self._taught(batch)
        if needs.idf:
            pair.source_idf, pair.pivot_idf = batch.source_idf, batch.pivot_idf
        if needs.masked:
            pair.masked = self._masked([batch.source, batch.pivot])
        if needs.tlm:
            assert batch.joined is not None
            pair.tlm = self._masked([batch.joined])
        if needs.parameters:
            current = self.encoder.module.parameters()
            pair.parameters = list(zip(current, self._initial, strict=True))
        return pair

    def _add_reference(self, pair: EncodedPair, batch: PairBatch, reference: Encoder) -> None:
        seek_links = self.needs.links and batch.links is None
        teaches = self.beside.teacher is reference
        layers = set(self.needs.layers)
        layers |= {self.links_layer} if seek_links else set()
        layers |= {-1} if teaches else set()
        with torch.no_grad():
            source = reference.encode(batch.source, sorted(layers))
            pivot = reference.encode(batch.pivot, sorted(layers))
        if self.needs.reference:
            pair.reference_source, pair.reference_pivot = source, pivot
        if teaches:
            pair.teacher_pivot = pivot
        if seek_links:
            pair.links = self._nearest(source, pivot)

    @torch.no_grad()
    def _add_momentum(self, pair: EncodedPair, batch: PairBatch) -> None:
        assert self.beside.momentum is not None
        pair.momentum_source = self.beside.momentum.encode(batch.source, self.needs.layers)
        pair.momentum_pivot = self.beside.momentum.encode(batch.pivot, self.needs.layers)

    @torch.no_grad()
    def _taught(self, batch: PairBatch) -> Encoded:
        assert self.beside.teacher is not None and batch.teacher_pivot is not None
        return self.beside.teacher.encode(batch.teacher_pivot, (-1,))

    def _nearest(self, source: Encoded, pivot: Encoded) -> Tensor:
        x, x_mask = source.words(self.links_layer, self.word_vector)
        y, y_mask = pivot.words(self.links_layer, self.word_vector)
        return mutual_nearest(x.float(), x_mask, y.float(), y_mask)

    def _masked(self, sides: Sequence[TokenBatch]) -> Masked:
        logits, labels = [], []
        for side in sides:
            masked, picked = mask_subwords(side, self.encoder)
            if picked.any():
                logits.append(self.encoder.masked_logits(masked, picked))
                labels.append(side.ids[picked])
        return Masked(torch.cat(logits), torch.cat(labels))


def mask_subwords(batch: TokenBatch, encoder: Encoder) -> tuple[TokenBatch, Tensor]:
    """BERT's masking (Devlin et al. 2019): 15 % of the real sub-words, of these 80 % <mask>, 10 % random, 10 % kept.

    Every sequence with a sub-word has at least one picked. Returns the masked batch and ``picked [B, T]``.
    """
    tokenizer = encoder.tokenizer
    real = batch.word_index >= 0
    draw = torch.rand(batch.ids.shape).to(batch.ids.device).masked_fill(~real, 2.0)
    picked = (draw < MASKED_SHARE) | (draw == draw.min(dim=1, keepdim=True).values)
    picked &= real
    how = torch.rand(batch.ids.shape).to(batch.ids.device)
    noise = torch.randint(len(tokenizer), tuple(batch.ids.shape)).to(batch.ids.device)
    ids = torch.where(picked & (how < MASK_TOKEN_SHARE), tokenizer.mask_token_id, batch.ids)
    ids = torch.where(picked & (how >= MASK_TOKEN_SHARE + KEPT_SHARE), noise, ids)
    return TokenBatch(ids, batch.mask, batch.word_index, batch.type_ids), picked


def link_rows(
    links: Sequence[Sequence[tuple[int, int]]], source: TokenBatch, pivot: TokenBatch
) -> Tensor:
    """Given links as ``[L, 3]``; a link to a word that was cut, or has no sub-word, is dropped, never shifted."""
    rows = []
    for number, own in enumerate(links):
        left = set(source.word_index[number].tolist())
        right = set(pivot.word_index[number].tolist())
        rows += [(number, i, j) for i, j in sorted(own) if i in left and j in right]
    return torch.tensor(rows, dtype=torch.long, device=source.ids.device).reshape(-1, 3)
