"""From a reference to a model folder that is safe to load: no pickle, no code of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from otx.data.hub import HubFiles, cached_folder, download
from otx.errors import DataError

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model"]
_SUBFOLDERS = ["*/*"]
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_TOKENIZERS = ("tokenizer*", "vocab*", "*.model")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_CONVERT = (
    "otx reads safetensors only; where you trust the file, AutoModel.from_pretrained(FOLDER)"
    ".save_pretrained(NEW_FOLDER) converts it"
)


def locate(reference: str) -> Path:
    """The checked folder of a local path or a Hub id, taken from the cache if it is there.

    Raises DataError if there is no such model, if it cannot be reached, if its weights are pickles
    or incomplete, or if it brings its own code.
    """
    path = Path(reference).expanduser()
    folder = path if path.is_dir() else _snapshot(reference, path)
    check_folder(folder, reference)
    return folder


def check_folder(folder: Path, reference: str) -> None:
    """Raise DataError unless the folder has a configuration, safetensors and no code."""
    if not (folder / "config.json").is_file():
        raise DataError(
            f"{reference}: no config.json",
            "give a folder that save_pretrained wrote, with its tokenizer",
        )
    for name in ("config.json", "tokenizer_config.json"):
        if "auto_map" in read_json(folder / name):
            raise DataError(
                f"{reference}: {name} asks to run code that comes with the model",
                "otx never runs it; use a model whose architecture is part of transformers",
            )
    missing = _missing_weights(folder)
    if not missing:
        return
    if (folder / _INDEX).is_file():
        raise DataError(f"{reference}: {_INDEX} names {missing[0]}, which is not there")
    pickles = sorted(file.name for kind in _PICKLES for file in folder.glob(kind))
    if pickles:
        raise DataError(
            f"{reference}: weights are a pickle ({pickles[0]}), which can run any code", _CONVERT
        )
    raise DataError(f"{reference}: no {_WEIGHTS}", _CONVERT)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, {} where there is no file. Raises DataError if it is not one."""
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: not a JSON object")
    return value


def _missing_weights(folder: Path) -> list[str]:
    """The weight files that the folder should have and has not."""
    names = [_WEIGHTS]
    if not (folder / _WEIGHTS).is_file() and (folder / _INDEX).is_file():
        names = sorted(set(read_json(folder / _INDEX).get("weight_map", {}).values())) or names
    return [name for name in names if not (folder / name).is_file()]


def _snapshot(reference: str, path: Path) -> Path:
    if path.is_file():
        raise DataError(f"{reference}: a file", "give the folder it lies in")
    if not _HUB_ID.fullmatch(reference) or reference.startswith("."):
        raise DataError(f"{reference}: no such folder")
    cached = _cached(reference)
    return cached if cached is not None else _download(reference)


def _cached(reference: str) -> Path | None:
    """The folder of an earlier download if model and tokenizer are whole."""
    folder = cached_folder(HubFiles(reference, "model"))
    if folder is None:
        return None
    tokenizer = any(file for name in _TOKENIZERS for file in folder.glob(name))
    return folder if tokenizer and not _missing_weights(folder) else None


def _download(reference: str) -> Path:
    return download(
        HubFiles(reference, "model", _WANTED, _SUBFOLDERS),
        f"run `hf download {reference}` where there is a network, or give a local folder",
    )


def first_line(error: Exception) -> str:
    """What an error says first, for a message of one line."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
