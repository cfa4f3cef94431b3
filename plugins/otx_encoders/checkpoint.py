"""From a reference to a model folder that is safe to load: no pickle, no code of its own."""

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
_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model"]
_SUBFOLDERS = ["*/*"]
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_TOKENIZERS = ("tokenizer*", "vocab*", "*.model")
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_SHARD = re.compile(r"[^/\\\x00-\x1f]+\.safetensors")
_UNSAFE_ADVICE = ("weights_only", "trust_remote_code", "allow_all_kernels")
_SHOWN = 200
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
    refuse_foreign_code(folder, reference)
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


def _missing_weights(folder: Path) -> list[str]:
    """Return the weight files that are missing from the folder.

    Raises DataError for an index that names anything but safetensors files in this folder.
    """
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


def _snapshot(reference: str, path: Path) -> Path:
    if path.is_file():
        raise DataError(f"{reference}: a file", "give the folder it lies in")
    if not _HUB_ID.fullmatch(reference) or reference.startswith("."):
        raise DataError(f"{reference}: no such folder")
    cached = _cached(reference)
    return cached if cached is not None else _download(reference)


def _cached(reference: str) -> Path | None:
    """The folder of an earlier download if model and tokenizer are whole."""
    folder = cached_folder(HubFiles(reference, "model", _WANTED, _SUBFOLDERS))
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
    """What an error of transformers says first, for a message of one line, without advice to run foreign code."""
    text = str(error).strip() or type(error).__name__
    if any(word in text for word in _UNSAFE_ADVICE):
        return f"{type(error).__name__}: it would run code that comes with the model, which otx never does"
    line = text.splitlines()[0]
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
