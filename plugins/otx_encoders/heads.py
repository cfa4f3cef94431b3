"""Heads of a checkpoint: masked language modelling, spans, classes of texts and classes of sub-words."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from otx.interfaces.head import Head
from otx.types import TokenBatch

HEADS = {
    "ForMaskedLM": "masked-lm",
    "ForQuestionAnswering": "question-answering",
    "ForSequenceClassification": "sequence-classification",
    "ForTokenClassification": "token-classification",
}
"""Ending of an architecture's name to the kind of its head."""


def head_of(architecture: str) -> str | None:
    """Return the kind of head that an architecture has.

    Args:
        architecture: A name as in config.json.

    Returns:
        A kind of ``HEADS``; None for a bare encoder or another head.

    Example:
        >>> head_of("XLMRobertaForMaskedLM"), head_of("BertModel")
        ('masked-lm', None)
    """
    return next((kind for ending, kind in HEADS.items() if architecture.endswith(ending)), None)


def model_inputs(model: Any, batch: TokenBatch) -> dict[str, Tensor]:
    """Return a batch as a model's keyword arguments.

    Args:
        model: A Hugging Face model.
        batch: Token ids and mask ``[B, T]``.

    Returns:
        ``input_ids``, ``attention_mask`` and, for a model that distinguishes texts by them, ``token_type_ids``.
    """
    inputs = {"input_ids": batch.ids, "attention_mask": batch.mask.long()}
    if batch.type_ids is not None and uses_type_ids(model):
        inputs["token_type_ids"] = batch.type_ids
    return inputs


def uses_type_ids(model: Any) -> bool:
    """Return whether a model distinguishes the texts of a sequence by type ids.

    Args:
        model: A Hugging Face model.
    """
    accepted = "token_type_ids" in inspect.signature(model.base_model.forward).parameters
    return accepted and (getattr(model.config, "type_vocab_size", None) or 0) > 1


def masked_logits(model: Any, batch: TokenBatch, picked: Tensor) -> Tensor:
    """Compute the logits of a masked language model at some positions.

    Only these positions pass through the head: projecting every position on a vocabulary of 250,000 would be most of
    the work.

    Args:
        model: A Hugging Face model with a masked-LM head.
        batch: Token ids and mask ``[B, T]``.
        picked: Positions ``[B, T]``, True at K of them.

    Returns:
        Logits ``[K, V]``.
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
    """A Hugging Face model with a task head, as ``otx.interfaces.head.Head``.

    Args:
        model: The model: encoder and head.

    Attributes:
        model: The same model.
        labels: Names of the classes in the order of their logits, from the checkpoint's configuration.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        names: dict[int, str] = model.config.id2label
        self.labels = tuple(names[number] for number in sorted(names))

    def forward(self, batch: TokenBatch) -> Tensor:
        """Compute logits; see ``otx.interfaces.head.Head``."""
        output = self.model(**model_inputs(self.model, batch))
        if "start_logits" in output:
            return torch.stack([output.start_logits, output.end_logits], dim=-1)
        logits: Tensor = output.logits
        return logits


def with_fresh_head(model: Any, kind: str, labels: Sequence[str]) -> Any | None:
    """Put the encoder of a model under a new head.

    The head is the one that transformers has for the architecture, initialised by its configuration. The
    encoder's layers are shared with ``model``.

    Args:
        model: A Hugging Face model, with or without a head.
        kind: Kind of the new head, of ``HEADS``.
        labels: Names of the classes; none for spans, whose number of logits the kind determines.

    Returns:
        The model with the new head; None if transformers has none for the architecture.
    """
    auto = auto_classes()[kind]
    if type(model.config) not in auto._model_mapping:
        return None
    config = copy.deepcopy(model.config)
    if labels:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: number for number, label in enumerate(labels)}
    fresh = auto.from_config(config)
    parts = {name for name, _ in model.base_model.named_children()}
    if {name for name, _ in fresh.base_model.named_children()} - parts - {"pooler"}:
        # Another part, such as a decoder, would keep its random weights.
        return None
    for name, part in model.base_model.named_children():
        # The pooler only if the head reads it.
        if getattr(fresh.base_model, name, None) is not None:
            setattr(fresh.base_model, name, part)
    device = next(model.parameters()).device
    return fresh.to(device=device, dtype=torch.float32).train(model.training)


def auto_classes() -> dict[str, Any]:
    """Return transformers' auto class for each kind of head."""
    import transformers

    return {
        "masked-lm": transformers.AutoModelForMaskedLM,
        "question-answering": transformers.AutoModelForQuestionAnswering,
        "sequence-classification": transformers.AutoModelForSequenceClassification,
        "token-classification": transformers.AutoModelForTokenClassification,
    }
