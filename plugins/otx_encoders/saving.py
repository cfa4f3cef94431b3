"""A model folder on disk, and the digest of what it holds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from otx.data.tokenizer_rules import canonical_rules
from otx_encoders.quiet import quiet

_PROVENANCE = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"}
"""What a configuration says of its past; weights are float32 here whatever they were stored in."""


def save(model: Any, tokenizer: Any, folder: Path, dimension: int, max_length: int) -> None:
    """Write weights, configuration, tokenizer, and what Sentence Transformers wants besides.

    Sentence Transformers takes the mean over all sub-words, special tokens included; otx's own
    sentence vectors leave them out.
    """
    with quiet():
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


def digest(model: Any, tokenizer: Any) -> str:
    """A hash of all that an encoder's numbers depend on: weights, configuration and tokenizer.

    Every weight's name, type, shape and values; the configuration without what only says where it
    came from; the tokenizer's rules and length limit.
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
