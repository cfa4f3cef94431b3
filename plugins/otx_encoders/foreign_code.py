"""Refuse configurations that would make transformers fetch or run code that comes with a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from otx.errors import DataError
from otx.files.reading import read_object
from otx.printable import quote

CONFIGURATIONS = (
    "config.json",
    "tokenizer_config.json",
    "generation_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "special_tokens_map.json",
)
"""Files of a model folder from which transformers reads keys."""
MAX_BYTES = 2**26
"""Largest configuration that is read: 64 MiB. That of a tokenizer with 250,000 added tokens has some 40 MiB."""
ADAPTER = "adapter_config.json"

_IMPLEMENTATIONS = ("attn_implementation", "experts_implementation")
_NATIVE = {"eager", "sdpa", "flex_attention", "grouped_mm", "batched_mm"}
_REFUSED = {
    "configuration_files": "names another configuration file, which otx does not check",
    "auto_map": "asks to run code that comes with the model",
    "quantization_config": "declares quantised weights, whose kernels are fetched from the Hub",
    "compression_config": "declares compressed weights, whose kernels are fetched from the Hub",
    "transformers_weights": "names weights other than model.safetensors",
    "use_timm_backbone": "loads part of the model from another library",
    "backbone": "loads part of the model from another repository",
}
"""Refused keys, at any depth, with their effect."""
_HUB_KERNELS = {"mra", "rwkv", "yoso"}
"""Model types of transformers whose layers fetch compiled code from the Hub if there is a GPU."""
_NAMES_OF_OTHERS = {"id2label", "label2id", "added_tokens_decoder"}
"""Tables whose keys are data, not settings."""
_REMEDY = "otx never runs it; use a model whose architecture is part of transformers"
_REMEDIES = {
    "quantization_config": "use the same model with plain weights, in float32 or bfloat16",
    "compression_config": "use the same model with plain weights, in float32 or bfloat16",
    "transformers_weights": "rename the weights to model.safetensors, and remove the key",
}
"""Remedies for keys that need another one than ``_REMEDY``."""


def refuse_foreign_code(folder: Path, reference: str) -> None:
    """Refuse a model folder that fetches or runs code.

    The same holds for a configuration that loads weights or adapters from elsewhere.

    Args:
        folder: The folder, laid out as by ``save_pretrained`` or in the Hub's cache.
        reference: The model's name in messages.

    Raises:
        DataError: Naming file and key; also if a configuration is not a JSON object.
    """
    if (folder / ADAPTER).exists():
        raise DataError(
            f"{reference}: {ADAPTER} makes it an adapter of another model",
            "merge the adapter into that model (peft's merge_and_unload), and give the result",
        )
    for name in CONFIGURATIONS:
        if (folder / name).is_file():
            for key, value in _keys(read_object(folder / name, MAX_BYTES)):
                _refuse(key, value, f"{reference}: {name}")


def _refuse(key: str, value: Any, place: str) -> None:
    if key in _REFUSED and value:
        raise DataError(f"{place} {_REFUSED[key]} ({key})", _REMEDIES.get(key, _REMEDY))
    plain = key.removeprefix("_").removesuffix("_internal")
    if plain in _IMPLEMENTATIONS:
        for choice in value.values() if isinstance(value, dict) else [value]:
            if choice is not None and str(choice) not in _NATIVE:
                raise DataError(
                    f"{place} sets {key} to {quote(str(choice))}, which may be fetched from the Hub as code",
                    f"remove {key} from the file: otx uses the implementations of torch",
                )
    if key == "model_type" and str(value) in _HUB_KERNELS:
        raise DataError(
            f"{place} has the model type {value}, whose layers are fetched from the Hub as code",
            _REMEDY,
        )


def _keys(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every key and value at any depth, with a stack: a file may be nested deeper than Python recurses."""
    stack: list[Any] = [value]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            yield from part.items()
            stack += [item for key, item in part.items() if key not in _NAMES_OF_OTHERS]
        elif isinstance(part, list):
            stack += part
