"""Models on disk: load a checked folder in float32, save one, and digest what it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from otx.data.tokenizer_rules import canonical_rules
from otx.errors import DataError, UsageError
from otx_encoders.checkpoint import first_line
from otx_encoders.heads import auto_classes, head_of

ENCODER_HALVES = {"t5", "mt5", "umt5"}
"""Encoder-decoder families whose encoder alone is loaded, as their ``...EncoderModel``."""
_PRE_TRAINED_LENGTH = 512
"""Length of the families above: relative positions set no limit, but pre-training had no longer texts."""
_PROVENANCE = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"}
"""Keys of a configuration that do not change what the model computes: weights are always float32 here."""


def load_model(folder: Path, reference: str) -> tuple[Any, str | None, list[str]]:
    """Load a model in float32 and evaluation mode, with its head.

    Args:
        folder: A folder that ``otx_encoders.checkpoint`` has checked.
        reference: The model's name in messages.

    Returns:
        The model, the kind of the head that its configuration names (None for a bare encoder), and notes on weights
        that are not used.

    Raises:
        DataError: If transformers cannot load it, if weights are missing, or if it cannot encode three sub-words.
        UsageError: If it is not an encoder.
    """
    import transformers

    common = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quiet_transformers():
            config = transformers.AutoConfig.from_pretrained(folder, **common)
            kind = head_of((config.architectures or [""])[0])
            auto = transformers.AutoModel if kind is None else auto_classes()[kind]
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
    # transformers raises a dozen kinds of errors for a damaged or foreign folder, all about this folder.
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


def max_positions(model: Any) -> int | None:
    """Return the longest sequence that a model's position embeddings allow.

    Args:
        model: A Hugging Face model.

    Returns:
        The length in sub-words, special tokens included; None if nothing limits it.
    """
    table = _position_embeddings(model)
    if table is not None:
        return table.num_embeddings - first_position(model)
    if model.config.model_type in ENCODER_HALVES:
        return _PRE_TRAINED_LENGTH
    return getattr(model.config, "max_position_embeddings", None)


def first_position(model: Any) -> int:
    """Return the number of a text's first position: models like RoBERTa count from behind the padding index.

    Args:
        model: A Hugging Face model.
    """
    table = _position_embeddings(model)
    return 0 if table is None or table.padding_idx is None else table.padding_idx + 1


def _position_embeddings(model: Any) -> nn.Embedding | None:
    for name, part in model.base_model.named_modules():
        if name.endswith("position_embeddings") and isinstance(part, nn.Embedding):
            return part
    return None


def save_model(model: Any, tokenizer: Any, folder: Path, dimension: int, max_length: int) -> None:
    """Write a Hugging Face folder that Sentence Transformers loads too.

    Sentence Transformers averages all sub-words, special tokens included; otx's own sentence vectors leave special
    tokens out.

    Args:
        model: The model, head included.
        tokenizer: Its tokenizer.
        folder: An existing folder.
        dimension: Length of a hidden state.
        max_length: Longest row in sub-words.
    """
    with quiet_transformers():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    package = "sentence_transformers.models"
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": f"{package}.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{package}.Pooling"},
    ]
    pooling = {
        "word_embedding_dimension": dimension,
        "pooling_mode_mean_tokens": True,
        "pooling_mode_cls_token": False,
    }
    (folder / "1_Pooling").mkdir(exist_ok=True)
    for name, content in (
        ("modules.json", modules),
        ("sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False}),
        ("1_Pooling/config.json", pooling),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def model_digest(model: Any, tokenizer: Any) -> str:
    """Hash everything that an encoder's numbers depend on.

    The hash covers every weight's name, type, shape and values, the configuration without its provenance, and the
    tokenizer's rules and length limit.

    Args:
        model: The model, head included.
        tokenizer: Its tokenizer.

    Returns:
        A SHA-256 hash in hexadecimal.
    """
    content = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        plain = tensor.detach().cpu().contiguous().reshape(-1)
        content.update(plain.view(torch.uint8).numpy())
    configuration = model.config.to_dict()
    behaviour = {key: configuration[key] for key in configuration.keys() - _PROVENANCE}
    # One JSON list of three, whose first part is text already.
    rest = json.dumps([tokenizer.model_max_length, behaviour], sort_keys=True, default=str)
    content.update(f"[{canonical_rules(tokenizer)}, {rest.removeprefix('[')}".encode())
    return content.hexdigest()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Let transformers log errors only and draw no progress bars within the context."""
    from transformers import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _reads_ahead(model: Any, reference: str) -> bool:
    """Return whether a sub-word's vector depends on what follows it; DataError if the model cannot run."""
    try:
        last = model.get_input_embeddings().num_embeddings - 1
        vectors = []
        with torch.no_grad(), quiet_transformers():
            for end in (last, last - 1):
                ids = torch.tensor([[max(0, last - 2), max(0, end), max(0, end)]])
                output = model.base_model(input_ids=ids, attention_mask=torch.ones_like(ids))
                vectors.append(output.last_hidden_state[0, 0])
    except torch.OutOfMemoryError:
        raise
    # As above: a dozen kinds, all about this model.
    except Exception as error:
        raise DataError(
            f"{reference}: cannot encode a text: {first_line(error)}",
            "check that config.json belongs to these weights, and that this is a text encoder",
        ) from error
    return not torch.equal(*vectors)


def _check_missing(model: Any, kind: str | None, missing: Iterable[str], reference: str) -> None:
    """Refuse random weights, except a bare encoder's pooler, which is not used: it is removed."""
    poolers = {name for name in missing if kind is None and name.startswith("pooler.")}
    if poolers:
        model.base_model.pooler = None
    lacking = sorted(set(missing) - poolers)
    if lacking:
        raise DataError(
            f"{reference}: {len(lacking)} tensors are missing from the weights: {_some(lacking)}",
            "check that config.json (architectures) belongs to these weights",
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
