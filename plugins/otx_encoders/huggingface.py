"""Any encoder that transformers' AutoModel knows, by Hub id or local folder."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from otx.errors import DataError, UsageError
from otx.types import Encoded, TokenBatch, TokenRow
from otx_encoders import saving
from otx_encoders.checkpoint import locate
from otx_encoders.heads import CarriedHead, masked_logits, model_inputs, with_fresh_head
from otx_encoders.loading import load_model, positions
from otx_encoders.options import EncoderOptions
from otx_encoders.rows import tokenise
from otx_encoders.tokenizer import load_tokenizer
from otx_encoders.tokenizer_checks import check_letters

UNLIMITED = 10**9
"""A tokenizer that knows no limit gives a number far above this."""


class HuggingFaceEncoder:
    """An ``otx.types.Encoder`` on a Hugging Face checkpoint.

    Weights come from safetensors only and are float32 whatever they were stored in. ``module`` is
    the whole model, with the head that the configuration names (masked-LM, question answering,
    classification of texts or of sub-words), so that ``save`` keeps it. ``notes`` are sentences on what is unusual
    about the checkpoint. Train or eval mode, gradients and autocast are the caller's.

    Raises DataError for a model that is not there or not safe or whole, UsageError for one that is
    no encoder or has no fast tokenizer, or for an option that does not fit it.
    """

    def __init__(self, reference: str, options: EncoderOptions) -> None:
        folder = locate(reference)
        self.reference = reference
        self.tokenizer: Any = load_tokenizer(folder, reference)
        self._model, self.head_kind, self.notes = load_model(folder, reference)
        # Listing a vocabulary of 250,000 takes .3 s: once for both checks.
        vocabulary: dict[str, int] = self.tokenizer.get_vocab()
        self.notes += check_letters(self.tokenizer, vocabulary, reference)
        self.module: nn.Module = self._model
        self.dimension, self.layers = self._shape()
        self.max_length = self._limit(options.max_length)
        rows = self._model.get_input_embeddings().num_embeddings
        if max(vocabulary.values()) >= rows:
            raise DataError(
                f"{reference}: sub-words are numbered beyond the model's {rows} embeddings",
                "does the tokenizer belong to these weights?",
            )

    def tokenise(
        self, texts: Sequence[str], *, pretokenised: bool = False, max_length: int | None = None
    ) -> list[TokenRow]:
        """Return the sub-words and word indices of each text; see ``otx.interfaces.Encoder``."""
        limit = self.max_length if max_length is None else min(max_length, self.max_length)
        return tokenise(self.tokenizer, texts, limit, pretokenised=pretokenised)

    def unknown_rate(self, rows: Sequence[TokenRow]) -> float:
        """Share of the sub-words, special tokens left out, that the tokenizer does not know."""
        ids = [
            i for row in rows for i, word in zip(row.ids, row.word_index, strict=True) if word >= 0
        ]
        return ids.count(self.tokenizer.unk_token_id) / max(1, len(ids))

    def collate(self, rows: Sequence[TokenRow]) -> TokenBatch:
        """Rows padded on the right to the longest of them, on the encoder's device."""
        width = max(len(row.ids) for row in rows)
        ids = torch.full((len(rows), width), self.tokenizer.pad_token_id, dtype=torch.long)
        word_index = torch.full((len(rows), width), -1, dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.bool)
        for number, row in enumerate(rows):
            length = len(row.ids)
            ids[number, :length] = torch.tensor(row.ids, dtype=torch.long)
            word_index[number, :length] = torch.tensor(row.word_index, dtype=torch.long)
            mask[number, :length] = True
        return TokenBatch(ids, mask, word_index).to(next(self.module.parameters()).device)

    def encode(self, batch: TokenBatch, layers: Sequence[int] = (-1,)) -> Encoded:
        """Hidden states of the layers asked for.

        0 is the embeddings, 1 the first layer, -1 the last and so on backwards. Raises UsageError
        for a layer that the encoder does not have.
        """
        places = {layer: self._place(layer) for layer in layers}
        inner = any(place != self.layers for place in places.values())
        output = self._model.base_model(
            **model_inputs(self._model, batch), output_hidden_states=inner
        )
        tokens = {
            layer: output.last_hidden_state if place == self.layers else output.hidden_states[place]
            for layer, place in places.items()
        }
        return Encoded(tokens, batch.mask, batch.word_index)

    def masked_logits(self, batch: TokenBatch, picked: Tensor) -> Tensor:
        """Masked-LM logits ``[K, V]`` at ``picked [B, T]``.

        Raises UsageError if the checkpoint has no masked-LM head.
        """
        if self.head_kind != "masked-lm":
            raise UsageError(
                f"{self.reference}: the checkpoint has no masked-LM head",
                "use a ...ForMaskedLM checkpoint, or an objective that does not mask",
            )
        return masked_logits(self._model, batch, picked)

    def carried_head(self, kind: str) -> nn.Module | None:
        """The checkpoint's own head of a kind (``otx.interfaces``), or None.

        It takes a TokenBatch and gives logits; its weights are ``module``'s.
        """
        carried = kind == self.head_kind and kind != "masked-lm"
        return CarriedHead(self._model) if carried else None

    def fresh_head(self, kind: str, labels: Sequence[str]) -> nn.Module:
        """A new head in place of the one that there was, as transformers has it for this encoder.

        It is used as ``carried_head``'s are; ``module`` holds it from now on and ``save`` writes it.
        Raises UsageError if transformers has no such head for the architecture.
        """
        model = with_fresh_head(self._model, kind, labels)
        if model is None:
            raise UsageError(
                f"{self.reference}: transformers has no head for {kind} on {self._model.config.model_type}",
                "choose another encoder or another task",
            )
        self._model, self.head_kind, self.module = model, kind, model
        return CarriedHead(model)

    def save(self, folder: Path) -> None:
        """Write a plain Hugging Face folder, head included; Sentence Transformers loads it too."""
        saving.save(self._model, self.tokenizer, folder, self.dimension, self.max_length)

    def digest(self) -> str:
        """A hash of the weights and the tokenizer as they are now."""
        return saving.digest(self._model, self.tokenizer)

    def __deepcopy__(self, memo: dict[int, Any]) -> HuggingFaceEncoder:
        """Copy the weights and share the tokenizer, which nothing changes: a copy of 250,000 pieces takes 1 s."""
        twin = object.__new__(type(self))
        memo |= {id(self): twin, id(self.tokenizer): self.tokenizer}
        twin.__dict__ = copy.deepcopy(self.__dict__, memo)
        return twin

    def _shape(self) -> tuple[int, int]:
        config = self._model.config
        try:
            return int(config.hidden_size), int(config.num_hidden_layers)
        except (AttributeError, TypeError, ValueError) as error:
            raise UsageError(
                f"{self.reference}: {config.model_type} does not say its width and number of layers",
                "give an encoder such as BERT or XLM-R",
            ) from error

    def _place(self, layer: int) -> int:
        place = layer if layer >= 0 else layer + self.layers + 1
        if not 0 <= place <= self.layers:
            raise UsageError(
                f"{self.reference} has no layer {layer}",
                f"0 (embeddings) to {self.layers}, or -1 (last) down to {-self.layers - 1}",
            )
        return place

    def _limit(self, wanted: int | None) -> int:
        lengths = (self.tokenizer.model_max_length, positions(self._model), wanted)
        known = [length for length in lengths if length is not None and length < UNLIMITED]
        if not known:
            raise UsageError(
                f"{self.reference} does not say how long a text may be", "set max_length"
            )
        limit = min(known)
        special = self.tokenizer.num_special_tokens_to_add()
        if limit <= special:
            raise UsageError(
                f"{self.reference}: max_length is {limit}, of which special tokens take {special}"
            )
        return limit
