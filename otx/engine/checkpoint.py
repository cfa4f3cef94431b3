"""Checkpoints that can be trusted: written beside, flushed, renamed, with a manifest of digests; no pickle anywhere.

A checkpoint is a folder ``step-00000200`` with ``tensors.safetensors`` (modules and optimiser state), ``state.json``
(numbers) and ``manifest.json`` (SHA-256 of both). A folder without a valid manifest is not a checkpoint.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from otx.errors import CheckpointError, DataError, OTXError
from otx.files.digests import file_digest

TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
_FREE_SPACE_FACTOR = 1.1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint: its folder, optimiser step and saved numbers."""

    path: Path
    step: int
    state: dict[str, Any]


def save(
    folder: Path,
    step: int,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer | None,
    state: Mapping[str, Any],
) -> Path:
    """Write ``folder/step-N``, whole or not at all; without an optimiser, it can be read but not trained on.

    Raises OTXError naming the bytes needed if the disk is full.
    """
    target = folder / f"step-{step:08d}"
    partial = folder / f".partial-{step:08d}"
    shutil.rmtree(partial, ignore_errors=True)
    tensors = _module_tensors(modules)
    if optimizer is not None:
        tensors |= _optimizer_tensors(optimizer)
    needed = sum(t.numel() * t.element_size() for t in tensors.values())
    try:
        partial.mkdir(parents=True)
        if shutil.disk_usage(partial).free < needed * _FREE_SPACE_FACTOR:
            raise OSError(errno.ENOSPC, "no space left")
        save_file(tensors, partial / TENSORS)
        (partial / STATE).write_text(json.dumps({**state, "step": step}))
        digests = {name: file_digest(partial / name, "sha256") for name in (TENSORS, STATE)}
        (partial / MANIFEST).write_text(json.dumps(digests))
        for name in (TENSORS, STATE, MANIFEST):
            _flush(partial / name)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
        _flush(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise OTXError(
            f"checkpoint of step {step} could not be written to {folder}: {error}",
            f"it needs {needed / 1e6:.0f} MB there; earlier checkpoints are untouched",
        ) from error
    return target


def newest(folder: Path) -> tuple[Checkpoint | None, list[CheckpointError]]:
    """The newest checkpoint that verifies, and what is wrong with each later one that does not."""
    damaged: list[CheckpointError] = []
    for path in sorted(folder.glob("step-*"), reverse=True):
        try:
            return _verified(path), damaged
        except CheckpointError as error:
            damaged.append(error)
    return None, damaged


def set_aside(folder: Path, step: int) -> None:
    """Rename every checkpoint later than ``step`` to ``damaged-...``: it is neither used again nor counted."""
    for path in folder.glob("step-*"):
        if int(path.name.removeprefix("step-")) > step:
            aside = folder / f"damaged-{path.name}"
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)


def load(
    checkpoint: Checkpoint,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer | None,
) -> None:
    """Put weights and optimiser state back, exactly. Raises CheckpointError if names or shapes do not fit."""
    tensors = load_file(checkpoint.path / TENSORS)
    for name, module in modules.items():
        prefix = f"{name}/"
        own = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        try:
            missing, unexpected = module.load_state_dict(own, strict=False)
        except RuntimeError as error:
            raise CheckpointError(f"{checkpoint.path}: {name} does not fit: {error}") from error
        if unexpected or set(missing) - _tied(module):
            raise CheckpointError(
                f"{checkpoint.path}: {name} has other parameters than the checkpoint",
                "resume with the model and objectives that the run was started with",
            )
    if optimizer is not None:
        _load_optimizer(optimizer, tensors, checkpoint.path)


def prune(folder: Path, keep: int) -> None:
    """Remove all but the newest ``keep`` checkpoints."""
    for path in sorted(folder.glob("step-*"))[:-keep]:
        shutil.rmtree(path)


def _verified(path: Path) -> Checkpoint:
    try:
        digests = json.loads((path / MANIFEST).read_text())
        for name in (TENSORS, STATE):
            if file_digest(path / name, "sha256") != digests[name]:
                raise CheckpointError(
                    f"damaged checkpoint {path}: {name} does not match its digest"
                )
        state = json.loads((path / STATE).read_text())
    except CheckpointError:
        raise
    except (DataError, OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"damaged checkpoint {path}: {error}") from error
    return Checkpoint(path, int(state["step"]), state)


def _module_tensors(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    # Tied weights share storage, which safetensors refuses: each is written once, under its first name.
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        tied = _tied(module)
        for key, value in module.state_dict().items():
            if key not in tied:
                tensors[f"{name}/{key}"] = value.detach().cpu().contiguous()
    return tensors


def _tied(module: nn.Module) -> set[str]:
    """Names whose tensor already has an earlier name."""
    seen: dict[int, str] = {}
    tied: set[str] = set()
    for key, value in module.state_dict(keep_vars=True).items():
        if seen.setdefault(id(value), key) != key:
            tied.add(key)
    return tied


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"optimizer/{index}/{name}": value.detach().cpu().contiguous()
        for index, entry in optimizer.state_dict()["state"].items()
        for name, value in entry.items()
    }


def _load_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], path: Path
) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            _, index, name = key.split("/")
            state.setdefault(int(index), {})[name] = value
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    if not state or max(state) >= count:
        raise CheckpointError(f"{path}: the optimiser's state is missing or of another model")
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
