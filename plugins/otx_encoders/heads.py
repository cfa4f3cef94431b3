"""Heads that a checkpoint brings, or is given: masked language modelling, spans, classes of texts and of sub-words."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from otx.heads import Head
from otx.types import TokenBatch

HEADS = {
    "ForMaskedLM": "masked-lm",
    "ForQuestionAnswering": "question-answering",
    "ForSequenceClassification": "sequence-classification",
    "ForTokenClassification": "token-classification",
}
"""What an architecture's name ends in, and the kind of head that it has."""


def head_of(architecture: str) -> str | None:
    """The kind of head of an architecture, None for a bare encoder or any other head."""
    return next((kind for ending, kind in HEADS.items() if architecture.endswith(ending)), None)


def model_inputs(model: Any, batch: TokenBatch) -> dict[str, Tensor]:
    """A batch as a model's keyword arguments, type ids only where it tells texts apart by them."""
    inputs = {"input_ids": batch.ids, "attention_mask": batch.mask.long()}
    if batch.type_ids is not None and uses_type_ids(model):
        inputs["token_type_ids"] = batch.type_ids
    return inputs


def uses_type_ids(model: Any) -> bool:
    """Whether a Hugging Face model has more than one kind of text in a sequence."""
    accepted = "token_type_ids" in inspect.signature(model.base_model.forward).parameters
    return accepted and (getattr(model.config, "type_vocab_size", None) or 0) > 1


def masked_logits(model: Any, batch: TokenBatch, picked: Tensor) -> Tensor:
    """Logits ``[K, V]`` at ``picked [B, T]`` of a masked language model.

    Only these positions go through the head: on the way out of the encoder they take the place of
    the whole batch, since projecting every position on a vocabulary of 250,000 is most of the work.
    """

    def pick(_encoder: nn.Module, _inputs: Any, output: Any) -> Any:
        return type(output)(last_hidden_state=output.last_hidden_state[picked].unsqueeze(0))

    handle = model.base_model.register_forward_hook(pick)
    try:
        logits: Tensor = model(**model_inputs(model, batch)).logits
    finally:
        handle.remove()
    return logits.squeeze(0)


class CarriedHead(Head):
    """A checkpoint's own head with the encoder under it.

    From a TokenBatch it makes span logits ``[B, T, 2]`` or class logits, ``[B, C]`` of texts or
    ``[B, T, C]`` of sub-words. ``labels`` are the names of the classes in the order of their logits,
    as the checkpoint's configuration has them.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        names: dict[int, str] = model.config.id2label
        self.labels = tuple(names[number] for number in sorted(names))

    def forward(self, batch: TokenBatch) -> Tensor:
        """Logits, in the shape of the head's kind."""
        output = self.model(**model_inputs(self.model, batch))
        if "start_logits" in output:
            return torch.stack([output.start_logits, output.end_logits], dim=-1)
        logits: Tensor = output.logits
        return logits


def with_fresh_head(model: Any, kind: str, labels: Sequence[str]) -> Any | None:
    """The encoder of ``model`` under a new head of this kind; None if its architecture has none.

    The head is the one that transformers has for the architecture, begun as its configuration says;
    the encoder's layers are ``model``'s own. Without ``labels`` (spans) their number is the kind's.
    """
    auto = autos()[kind]
    if type(model.config) not in auto._model_mapping:
        return None
    config = copy.deepcopy(model.config)
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: number for number, label in enumerate(labels)}
    fresh = auto.from_config(config)
    own = {name for name, _ in model.base_model.named_children()}
    if {name for name, _ in fresh.base_model.named_children()} - own - {"pooler"}:
        # A decoder, say: it would stay at random weights.
        return None
    for name, part in model.base_model.named_children():
        # A pooler only where the head reads it.
        if getattr(fresh.base_model, name, None) is not None:
            setattr(fresh.base_model, name, part)
    device = next(model.parameters()).device
    return fresh.to(device=device, dtype=torch.float32).train(model.training)


def autos() -> dict[str, Any]:
    """What loads or makes a model with each kind of head."""
    import transformers

    return {
        "masked-lm": transformers.AutoModelForMaskedLM,
        "question-answering": transformers.AutoModelForQuestionAnswering,
        "sequence-classification": transformers.AutoModelForSequenceClassification,
        "token-classification": transformers.AutoModelForTokenClassification,
    }
