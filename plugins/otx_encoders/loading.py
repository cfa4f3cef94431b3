"""A model out of a checked folder, in float32, with the head its configuration names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from otx.errors import DataError, UsageError
from otx_encoders.checkpoint import first_line
from otx_encoders.heads import autos, head_of
from otx_encoders.quiet import quiet

ENCODER_HALVES = {"t5", "mt5", "umt5"}
"""Encoder-decoder families whose encoder is loaded alone, as their ``...EncoderModel``."""
_PRE_TRAINED_LENGTH = 512
"""Of the families above. Their relative positions set no limit, but longer texts were never seen."""


def load_model(folder: Path, reference: str) -> tuple[Any, str | None, list[str]]:
    """The model in evaluation mode, the kind of its head, and notes on weights that are not used.

    Raises DataError if transformers cannot load it, if weights are missing or if it cannot encode three sub-words,
    UsageError if it is no encoder.
    """
    import transformers

    common = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quiet():
            config = transformers.AutoConfig.from_pretrained(folder, **common)
            kind = head_of((config.architectures or [""])[0])
            auto = transformers.AutoModel if kind is None else autos()[kind]
            half = kind is None and config.model_type in ENCODER_HALVES
            if half:
                auto = transformers.AutoModelForTextEncoding
            model, report = auto.from_pretrained(
                folder,
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                **common,
            )
    # What transformers raises for a damaged or foreign folder is of a dozen kinds, all about this
    # folder.
    except Exception as error:
        raise DataError(f"{reference}: cannot be loaded: {first_line(error)}") from error
    if config.is_encoder_decoder and not half:
        raise UsageError(
            f"{reference}: {config.model_type} has a decoder",
            "give an encoder such as BERT or XLM-R",
        )
    _check_missing(model, kind, report["missing_keys"], reference)
    unused = sorted(report["unexpected_keys"])
    notes = (
        [f"{len(unused)} tensors of the checkpoint are not used: {_some(unused)}"] if unused else []
    )
    if half and not (config.architectures or [""])[0].endswith("EncoderModel"):
        notes.append(f"the encoder of {config.model_type} is used, and its decoder is not")
    if not _reads_ahead(model, reference):
        notes.append("the model is causal: a word's vector depends on the words before it only")
    return model, kind, notes


def positions(model: Any) -> int | None:
    """The longest sequence that the position embeddings allow, None where nothing limits it.

    RoBERTa's kind counts its positions from behind the padding index.
    """
    for name, part in model.base_model.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            return part.num_embeddings - (0 if part.padding_idx is None else part.padding_idx + 1)
    if model.config.model_type in ENCODER_HALVES:
        return _PRE_TRAINED_LENGTH
    return getattr(model.config, "max_position_embeddings", None)


def _reads_ahead(model: Any, reference: str) -> bool:
    """Whether the vector of a sub-word depends on what follows it. Raises DataError if the model cannot run."""
    try:
        last = model.get_input_embeddings().num_embeddings - 1
        vectors = []
        with torch.no_grad(), quiet():
            for end in (last, last - 1):
                ids = torch.tensor([[max(0, last - 2), max(0, end), max(0, end)]])
                output = model.base_model(input_ids=ids, attention_mask=torch.ones_like(ids))
                vectors.append(output.last_hidden_state[0, 0])
    except torch.OutOfMemoryError:
        raise
    # As above: of a dozen kinds, all about this model.
    except Exception as error:
        raise DataError(
            f"{reference}: cannot encode a text: {first_line(error)}",
            "does config.json belong to these weights, and is this an encoder of text?",
        ) from error
    return not torch.equal(*vectors)


def _check_missing(model: Any, kind: str | None, missing: Iterable[str], reference: str) -> None:
    """Refuse random weights, but for a bare encoder's pooler, which is not used: it is taken off."""
    poolers = {name for name in missing if kind is None and name.startswith("pooler.")}
    if poolers:
        model.base_model.pooler = None
    lacking = sorted(set(missing) - poolers)
    if lacking:
        raise DataError(
            f"{reference}: {len(lacking)} tensors are missing from the weights: {_some(lacking)}",
            "does config.json (architectures) belong to these weights?",
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
