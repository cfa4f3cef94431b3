"""Locate model folders that are safe to load: no pickles, no code that comes with a model."""

from __future__ import annotations

import re
from pathlib import Path

from otx.data.hub import HubFiles, cached_folder, download
from otx.errors import DataError
from otx.files.reading import read_object
from otx.files.shapes import check_shape
from otx.printable import quote
from otx_encoders.foreign_code import refuse_foreign_code

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
_INCLUDED = ["*.json", "*.safetensors", "*.txt", "*.model"]
_SUBFOLDERS = ["*/*"]
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_TOKENIZERS = ("tokenizer*", "vocab*", "*.model")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_SHARD = re.compile(r"[^/\\\x00-\x1f]+\.safetensors")
_UNSAFE_ADVICE = ("weights_only", "trust_remote_code", "allow_all_kernels")
_MAX_SHOWN = 200
_CONVERT = (
    "otx reads safetensors only; if you trust the file, convert it with AutoModel.from_pretrained(FOLDER)"
    ".save_pretrained(NEW_FOLDER)"
)


def locate(reference: str) -> Path:
    """Return the checked folder of a model.

    A Hub id is downloaded once; later calls take it from the Hub's cache, without a network.

    Args:
        reference: A local folder or a Hub id such as ``xlm-roberta-base``.

    Returns:
        The folder with configuration, safetensors and tokenizer.

    Raises:
        DataError: If there is no such model, if the Hub cannot be reached, if the weights are pickles or incomplete, or
            if the folder's configuration runs code that comes with the model.
    """
    path = Path(reference).expanduser()
    folder = path if path.is_dir() else _from_hub(reference, path)
    check_folder(folder, reference)
    return folder


def check_folder(folder: Path, reference: str) -> None:
    """Check that a model folder is complete and safe to load.

    It needs a configuration and all its weights as safetensors, and it must not bring code.

    Args:
        folder: The folder.
        reference: The model's name in messages.

    Raises:
        DataError: If one of these does not hold.
    """
    if not (folder / "config.json").is_file():
        raise DataError(
            f"{reference}: no config.json",
            "give a folder that save_pretrained wrote, with its tokenizer",
        )
    refuse_foreign_code(folder, reference)
    missing = _missing_weights(folder)
    if not missing:
        return
    if (folder / _INDEX).is_file():
        raise DataError(
            f"{reference}: {_INDEX} names {missing[0]}, which does not exist",
            "copy or download all weight files of the model",
        )
    pickles = sorted(file.name for kind in _PICKLES for file in folder.glob(kind))
    if pickles:
        raise DataError(
            f"{reference}: weights are a pickle ({pickles[0]}), which can run any code", _CONVERT
        )
    raise DataError(f"{reference}: no {_WEIGHTS}", _CONVERT)


def first_line(error: Exception) -> str:
    """Return the first line of an error of transformers.

    Advice to run foreign code is left out.

    Args:
        error: The error.

    Returns:
        At most 200 characters, for a message of one line.

    Example:
        >>> first_line(ValueError("no vocabulary\\nTry another folder"))
        'no vocabulary'
    """
    text = str(error).strip() or type(error).__name__
    if any(word in text for word in _UNSAFE_ADVICE):
        return f"{type(error).__name__}: it would run code that comes with the model, which otx never does"
    line = text.splitlines()[0]
    return line if len(line) <= _MAX_SHOWN else f"{line[:_MAX_SHOWN]}..."


def _missing_weights(folder: Path) -> list[str]:
    """Return the weight files that the folder lacks; DataError if the index names any other kind of file."""
    index = folder / _INDEX
    if (folder / _WEIGHTS).is_file() or not index.is_file():
        names = [_WEIGHTS]
    else:
        table = read_object(index)
        check_shape(table, {"weight_map": {str: str}}, str(index))
        names = sorted(set(table["weight_map"].values())) or [_WEIGHTS]
        for name in names:
            _check_shard(folder, name)
    return [name for name in names if not (folder / name).is_file()]


def _check_shard(folder: Path, name: str) -> None:
    """Refuse a name in the index by which transformers would unpickle a file, or read one from elsewhere."""
    remedy = "the index may name safetensors files in this folder only"
    if not _SHARD.fullmatch(name):
        raise DataError(f"{folder / _INDEX} names {quote(name)}", remedy)
    # A snapshot in the Hub's cache holds links to the blobs of its repository.
    inside = folder.resolve()
    if inside.parent.name == "snapshots":
        inside = inside.parent.parent
    if not (folder / name).resolve().is_relative_to(inside):
        raise DataError(f"{folder / _INDEX} names {quote(name)}, a link out of the folder", remedy)


def _from_hub(reference: str, path: Path) -> Path:
    if path.is_file():
        raise DataError(f"{reference} is a file", "give the folder that contains it")
    if not _HUB_ID.fullmatch(reference) or reference.startswith("."):
        raise DataError(f"{reference}: no such folder", "give a model folder or a Hub id")
    files = HubFiles(reference, "model", _INCLUDED, _SUBFOLDERS)
    folder = cached_folder(files)
    if folder is not None and _is_whole(folder):
        return folder
    return download(
        files,
        f"run `hf download {reference}` where there is a network, or give a local folder",
    )


def _is_whole(folder: Path) -> bool:
    """Return whether an earlier download has a tokenizer and all weights."""
    tokenizer = any(file for name in _TOKENIZERS for file in folder.glob(name))
    return tokenizer and not _missing_weights(folder)
