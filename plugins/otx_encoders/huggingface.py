"""The encoder ``huggingface``: any encoder that transformers' AutoModel loads, by Hub id or local folder."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from otx.errors import DataError, UsageError
from otx.interfaces import Encoder
from otx.types import Encoded, TokenBatch, TokenRow
from otx_encoders import model_io
from otx_encoders.attention import works_on_gpu
from otx_encoders.checkpoint import locate
from otx_encoders.collation import collate
from otx_encoders.compiled.dropout import replace_dropout
from otx_encoders.heads import CarriedHead, masked_logits, model_inputs, with_fresh_head
from otx_encoders.options import EncoderOptions
from otx_encoders.packed_model import packed_inputs, permit_packing
from otx_encoders.packing import Packing, make_packing
from otx_encoders.tokenisation import load_tokenizer, tokenise
from otx_encoders.tokenizer_checks import check_normalisation

UNLIMITED = 10**9
"""Lengths from here on mean that a tokenizer has no limit."""


class HuggingFaceEncoder(Encoder):
    """An encoder from a Hugging Face checkpoint.

    Weights are read from safetensors only and are float32 whatever they were stored in. ``module`` is the whole model
    with the head that the configuration names (masked-LM, question answering, classification of texts or of sub-words),
    so that ``save`` keeps it.

    Args:
        reference: A local folder or a Hub id.
        options: Options of the encoders.

    Raises:
        DataError: If the model does not exist, is not safe to load, or is incomplete.
        UsageError: If the model is not an encoder, has no fast tokenizer, or does not fit an option.
    """

    def __init__(self, reference: str, options: EncoderOptions) -> None:
        folder = locate(reference)
        self.reference = reference
        self.tokenizer: Any = load_tokenizer(folder, reference)
        self._model, self.head_kind, notes = model_io.load_model(folder, reference)
        # Listing a vocabulary of 250,000 takes .3 s: once for both checks.
        vocabulary: dict[str, int] = self.tokenizer.get_vocab()
        self.notes = [*notes, *check_normalisation(self.tokenizer, vocabulary, reference)]
        self.module: nn.Module = self._model
        self.dimension, self.layers = self._shape()
        self.max_length = self._limit(options.max_length)
        replace_dropout(self._model.base_model)
        self._packed = permit_packing(self._model)
        rows = self._model.get_input_embeddings().num_embeddings
        if max(vocabulary.values()) >= rows:
            raise DataError(
                f"{reference}: sub-words are numbered beyond the model's {rows} embeddings",
                "check that the tokenizer belongs to these weights",
            )

    def tokenise(
        self, texts: Sequence[str], *, pretokenised: bool = False, max_length: int | None = None
    ) -> list[TokenRow]:
        """Split texts into sub-words; see ``otx.interfaces.Encoder``."""
        limit = self.max_length if max_length is None else min(max_length, self.max_length)
        return tokenise(self.tokenizer, texts, limit, pretokenised=pretokenised)

    def collate(self, rows: Sequence[TokenRow]) -> TokenBatch:
        """Pad rows on the right to the longest of them; see ``otx.interfaces.Encoder``."""
        return collate(rows, self.tokenizer.pad_token_id, next(self.module.parameters()).device)

    def encode(self, batch: TokenBatch, layers: Sequence[int] = (-1,)) -> Encoded:
        """Compute hidden states; see ``otx.interfaces.Encoder``."""
        return self.encode_together([batch], layers)[0]

    def encode_together(
        self, batches: Sequence[TokenBatch], layers: Sequence[int] = (-1,)
    ) -> list[Encoded]:
        """Compute hidden states of several batches, without padding where the model permits it.

        See ``otx.interfaces.Encoder``.
        """
        packing = make_packing(batches) if self.packs else None
        if packing is None:
            return [self.encode_padded(batch, layers) for batch in batches]
        return self._encode_packed(batches, layers, packing)

    def masked_logits(self, batch: TokenBatch, picked: Tensor) -> Tensor:
        """Predict masked sub-words; see ``otx.interfaces.Encoder``."""
        if self.head_kind != "masked-lm":
            return super().masked_logits(batch, picked)
        return masked_logits(self._model, batch, picked)

    def carried_head(self, kind: str) -> CarriedHead | None:
        """Return the checkpoint's own head of a kind; see ``otx.interfaces.Encoder``."""
        carried = kind == self.head_kind and kind != "masked-lm"
        return CarriedHead(self._model) if carried else None

    def fresh_head(self, kind: str, labels: Sequence[str]) -> CarriedHead:
        """Replace any head by a new one of transformers; see ``otx.interfaces``."""
        model = with_fresh_head(self._model, kind, labels)
        if model is None:
            raise UsageError(
                f"{self.reference}: transformers has no head for {kind} on {self._model.config.model_type}",
                "choose another encoder or another task",
            )
        self._model, self.head_kind, self.module = model, kind, model
        return CarriedHead(model)

    def save(self, folder: Path) -> None:
        """Write a plain Hugging Face folder, head included.

        Sentence Transformers loads it too.

        Args:
            folder: An existing folder.
        """
        model_io.save_model(self._model, self.tokenizer, folder, self.dimension, self.max_length)

    def digest(self) -> str:
        """Return a hash of the present weights, the configuration and the tokenizer."""
        return model_io.model_digest(self._model, self.tokenizer)

    def __deepcopy__(self, memo: dict[int, Any]) -> HuggingFaceEncoder:
        """Copy the weights and share the tokenizer, which nothing changes: copying 250,000 pieces takes 1 s."""
        twin = object.__new__(type(self))
        memo |= {id(self): twin, id(self.tokenizer): self.tokenizer}
        twin.__dict__ = copy.deepcopy(self.__dict__, memo)
        return twin

    @property
    def packs(self) -> bool:
        """Whether batches are encoded without padding, on the present device and with the present autocast."""
        if not self._packed:
            return False
        parameter = next(self.module.parameters())
        kind, dtype = parameter.device.type, parameter.dtype
        if kind == "cuda":
            if torch.is_autocast_enabled(kind):
                dtype = torch.get_autocast_dtype(kind)
            width = self.dimension // self._model.config.num_attention_heads
            return works_on_gpu(parameter.device, dtype, width)
        return kind == "cpu"

    def encode_padded(self, batch: TokenBatch, layers: Sequence[int]) -> Encoded:
        """Encode one batch with its padding, as ``encode`` does where ``packs`` is False.

        Args:
            batch: A batch of ``collate``.
            layers: Layers to return.
        """
        tokens = self._states(model_inputs(self._model, batch), layers)
        return Encoded(tokens, batch.mask, batch.word_index, batch.word_counts)

    def _encode_packed(
        self, batches: Sequence[TokenBatch], layers: Sequence[int], packing: Packing
    ) -> list[Encoded]:
        """Encode the row of a packing."""
        inputs = packed_inputs(self._model, batches, packing)
        states = self._states(inputs, layers)
        shapes = [batch.ids.shape for batch in batches]
        tokens = {layer: packing.unpack(row, shapes) for layer, row in states.items()}
        return [
            Encoded(
                {layer: parts[number] for layer, parts in tokens.items()},
                batch.mask,
                batch.word_index,
                batch.word_counts,
            )
            for number, batch in enumerate(batches)
        ]

    def _states(self, inputs: dict[str, Any], layers: Sequence[int]) -> dict[int, Tensor]:
        """Return the hidden states of some layers."""
        places = {layer: self._place(layer) for layer in layers}
        inner = any(place != self.layers for place in places.values())
        output = self._model.base_model(**inputs, output_hidden_states=inner)
        return {
            layer: output.last_hidden_state if place == self.layers else output.hidden_states[place]
            for layer, place in places.items()
        }

    def _shape(self) -> tuple[int, int]:
        """Return width and number of layers."""
        config = self._model.config
        try:
            return int(config.hidden_size), int(config.num_hidden_layers)
        except (AttributeError, TypeError, ValueError) as error:
            raise UsageError(
                f"{self.reference}: {config.model_type} does not state its width and number of layers",
                "give an encoder such as BERT or XLM-R",
            ) from error

    def _place(self, layer: int) -> int:
        """Return the number from 0 of a layer that may be negative."""
        place = layer if layer >= 0 else layer + self.layers + 1
        if not 0 <= place <= self.layers:
            raise UsageError(
                f"{self.reference} has no layer {layer}",
                f"choose 0 (embeddings) to {self.layers}, or -1 (last) down to {-self.layers - 1}",
            )
        return place

    def _limit(self, max_length: int | None) -> int:
        """Return the lowest of the length limits of tokenizer, position embeddings and option."""
        lengths = (self.tokenizer.model_max_length, model_io.max_positions(self._model), max_length)
        known = [length for length in lengths if length is not None and length < UNLIMITED]
        if not known:
            raise UsageError(
                f"{self.reference} does not state how long a text may be",
                "set the encoder's option max_length",
            )
        limit = min(known)
        special = self.tokenizer.num_special_tokens_to_add()
        if limit <= special:
            raise UsageError(
                f"{self.reference}: max_length is {limit}, of which special tokens take {special}",
                f"set the encoder's option max_length above {special}",
            )
        return limit
