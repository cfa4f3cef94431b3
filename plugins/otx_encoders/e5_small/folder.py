"""Write a packed encoder as a Hugging Face folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from otx.errors import DataError
from otx_encoders.e5_small.packed import BLOCKS, PackedModel, Shape
from otx_encoders.e5_small.tokenizer import SPECIAL, build_tokenizer

WEIGHTS = "model.safetensors"
VERSION = 1
"""Raised whenever the same packed file would be written as another folder."""
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_KINDS = {"w": "weight", "b": "bias"}


def write_folder(model: PackedModel, folder: Path, card: str) -> None:
    """Write configuration, weights in float32, tokenizer and model card into a folder.

    Args:
        model: The packed encoder.
        folder: An existing folder.
        card: Text of README.md: origin, licence and what the weights are.

    Raises:
        DataError: If a tensor is missing or has another size than the encoder's shape implies.
    """
    write_weights(model, folder / WEIGHTS)
    # Tokenizer.save raises no OSError on a full disk.
    (folder / "tokenizer.json").write_text(build_tokenizer(model).to_str(), encoding="utf-8")
    limit = model.shape.positions
    tokenizer: dict[str, Any] = {
        **SPECIAL,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": limit,
        "padding_side": "right",
    }
    for name, content in (
        ("config.json", _configuration(model)),
        ("tokenizer_config.json", tokenizer),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card, encoding="utf-8")


def write_weights(model: PackedModel, path: Path) -> None:
    """Write the weights in float32 as safetensors.

    Args:
        model: The packed encoder.
        path: The file.

    Raises:
        DataError: If a tensor is missing or has another size than the encoder's shape implies, or if the file cannot be
            written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    tensors = {
        name: np.ascontiguousarray(weights) for name, weights in _named_tensors(model).items()
    }
    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except SafetensorError as error:
        size = sum(weights.nbytes for weights in tensors.values())
        raise DataError(
            f"{path} cannot be written: {error}", f"it needs {size / 1e6:.0f} MB of free space"
        ) from error


def _configuration(model: PackedModel) -> dict[str, Any]:
    shape, special = model.shape, model.special
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.inner,
        "max_position_embeddings": shape.positions,
        "type_vocab_size": shape.types,
        "hidden_act": "gelu",
        # The file holds float32, in which 1e-12 is 9.99999996e-13.
        "layer_norm_eps": float(np.format_float_positional(np.float32(shape.epsilon))),
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "bos_token_id": special["bos"],
        "eos_token_id": special["eos"],
        "pad_token_id": special["pad"],
        "dtype": "float32",
    }


def _named_tensors(model: PackedModel) -> dict[str, np.ndarray]:
    """Return every weight by transformers' name, in its shape."""
    shapes = _shapes(model.shape)
    named = {}
    for layer in range(-1, model.shape.layers):
        for packed, name in _names(layer).items():
            if packed not in model.tensors:
                raise DataError(f"the packed encoder has no tensor {packed}")
            tensor, expected = model.tensors[packed], shapes[packed.split(".", layer >= 0)[-1]]
            if tensor.count != np.prod(expected):
                raise DataError(
                    f"the packed tensor {packed} has {tensor.count:,} weights, expected {expected}"
                )
            if tensor.kind == BLOCKS and expected[-1] % model.shape.block:
                raise DataError(f"the packed tensor {packed} has blocks that span its rows")
            named[name] = tensor.unpack().reshape(expected)
    return named


def _names(layer: int) -> dict[str, str]:
    """Return packed names and transformers' names of one layer, or of the embeddings (-1)."""
    if layer < 0:
        return dict(_EMBEDDINGS)
    return {
        f"l{layer}.{part}.{kind}": f"encoder.layer.{layer}.{name}.{word}"
        for part, name in _LAYER.items()
        for kind, word in _KINDS.items()
    }


def _shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor by its packed name, without its layer."""
    hidden, inner = shape.hidden, shape.inner
    square = {f"{part}.w": (hidden, hidden) for part in ("q", "k", "v", "ao")}
    vectors = {f"{part}.b": (hidden,) for part in ("q", "k", "v", "ao", "fo", "aln", "oln")}
    norms = {f"{part}.w": (hidden,) for part in ("aln", "oln")}
    return {
        "emb.word": (shape.vocabulary, hidden),
        "emb.pos": (shape.positions, hidden),
        "emb.type": (shape.types, hidden),
        "emb.ln.w": (hidden,),
        "emb.ln.b": (hidden,),
        "fi.w": (inner, hidden),
        "fi.b": (inner,),
        "fo.w": (hidden, inner),
        **square,
        **vectors,
        **norms,
    }
