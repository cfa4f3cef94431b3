"""Checkpoints, written whole or not at all and verified by digests when they are read; no pickle anywhere.

A checkpoint is a folder ``step-00000200`` with ``tensors.safetensors`` (modules and optimiser state), ``state.json``
(numbers, and which parameters have optimiser state) and ``manifest.json`` (SHA-256 of both). It is written into another
folder, flushed to disk, and renamed. A folder without a valid manifest is damaged; one of another name is not a
checkpoint.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from otx.errors import CheckpointError, DataError, OTXError
from otx.files import atomic
from otx.files.digests import file_digest
from otx.files.reading import read_object
from otx.files.shapes import COUNT, check_shape
from otx.training.sharded_tensors import divided_like, gathered

TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"
TRAINED = "trained"
"""Field of the state: indices of the parameters with optimiser state; one that never had a gradient has none."""
MOMENTS = ("exp_avg", "exp_avg_sq")
_NAME = re.compile(r"step-([0-9]{8})")
_OTHER = "resume with the model and objectives that the run was started with"
_FREE_SPACE_FACTOR = 1.1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint.

    Attributes:
        path: Its folder.
        step: Number of optimiser steps that were done.
        state: Numbers and texts that were saved with it.
    """

    path: Path
    step: int
    state: dict[str, Any]


def save(
    folder: Path,
    step: int,
    modules: Mapping[str, nn.Module],
    *,
    optimizer: torch.optim.Optimizer | None = None,
    state: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    """Write a checkpoint, whole or not at all.

    One process writes it. If parameters are sharded, all others call ``lend`` meanwhile.

    Args:
        folder: Folder of the checkpoints.
        step: Number of optimiser steps that were done.
        modules: The modules, by name.
        optimizer: The optimiser over their trained parameters; without it, training cannot resume from the checkpoint.
        state: Further numbers and texts, as JSON can hold them.

    Returns:
        The checkpoint's folder.

    Raises:
        OTXError: If it cannot be written, naming the bytes needed.
    """
    target = folder / f"step-{step:08d}"
    partial = folder / f".partial-{step:08d}"
    shutil.rmtree(partial, ignore_errors=True)
    tensors = {
        name: value.detach().cpu().contiguous()
        for name, value in _whole_tensors(modules, optimizer)
    }
    numbers = {**state, "step": step}
    if optimizer is not None:
        numbers[TRAINED] = sorted(optimizer.state_dict()["state"])
    needed = sum(t.numel() * t.element_size() for t in tensors.values())
    try:
        partial.mkdir(parents=True)
        if shutil.disk_usage(partial).free < needed * _FREE_SPACE_FACTOR:
            raise OSError(errno.ENOSPC, "no space left")
        save_file(tensors, partial / TENSORS)
        (partial / STATE).write_text(json.dumps(numbers))
        digests = {name: file_digest(partial / name, "sha256") for name in (TENSORS, STATE)}
        (partial / MANIFEST).write_text(json.dumps(digests))
        atomic.publish(partial, target)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise OTXError(
            f"checkpoint of step {step} could not be written to {folder}: {error}",
            f"it needs {needed / 1e6:.0f} MB; earlier checkpoints are unchanged",
        ) from error
    return target


def lend(modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer | None) -> None:
    """Give this process's parts of sharded tensors to the process that saves.

    Args:
        modules: The modules, by name.
        optimizer: The optimiser over their trained parameters, if it is saved.
    """
    for _ in _whole_tensors(modules, optimizer):
        pass


def newest(
    folder: Path, shape: Mapping[str, Any] | None = None
) -> tuple[Checkpoint | None, list[CheckpointError]]:
    """Find the newest valid checkpoint.

    Args:
        folder: Folder of the checkpoints.
        shape: Fields that the saved numbers must have, as in ``otx.files.shapes``.

    Returns:
        The checkpoint, or None if there is none, and the fault of each later one.
    """
    damaged: list[CheckpointError] = []
    for path in reversed(checkpoints(folder)):
        try:
            return _verified(path, shape or {}), damaged
        except CheckpointError as error:
            damaged.append(error)
    return None, damaged


def checkpoints(folder: Path) -> list[Path]:
    """Return the folders of the checkpoints, valid or damaged, by step; folders of other names are left out.

    Args:
        folder: Folder of the checkpoints.
    """
    return sorted(
        path for path in folder.glob("step-*") if _NAME.fullmatch(path.name) and path.is_dir()
    )


def set_aside(folder: Path, step: int) -> None:
    """Rename every checkpoint later than ``step`` to ``damaged-...``, so that it is neither used nor counted.

    Args:
        folder: Folder of the checkpoints.
        step: Step of the last checkpoint that stays.
    """
    for path in checkpoints(folder):
        if _step_of(path) > step:
            aside = folder / f"damaged-{path.name}"
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)


def load(
    checkpoint: Checkpoint,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer | None,
) -> None:
    """Restore weights and optimiser state exactly; of sharded ones, this process's part.

    Args:
        checkpoint: What ``newest`` returned.
        modules: The modules that were saved, by name.
        optimizer: The optimiser over their trained parameters; None restores the weights alone.

    Raises:
        CheckpointError: If a name, shape or type does not fit, or optimiser state of a trained parameter is missing.
    """
    try:
        tensors = load_file(checkpoint.path / TENSORS)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"damaged checkpoint {checkpoint.path}: {error}") from error
    for name, module in modules.items():
        _load_module(name, module, tensors, checkpoint.path)
    if optimizer is not None:
        states = _optimizer_states(optimizer, tensors, checkpoint)
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": states, "param_groups": groups})


def prune(folder: Path, keep: int) -> None:
    """Remove all but the newest ``keep`` checkpoints.

    Args:
        folder: Folder of the checkpoints.
        keep: Number of checkpoints that stay.
    """
    for path in checkpoints(folder)[:-keep]:
        if path.is_symlink():
            path.unlink()
        else:
            shutil.rmtree(path)


def _step_of(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _verified(path: Path, shape: Mapping[str, Any]) -> Checkpoint:
    try:
        digests = read_object(path / MANIFEST)
        for name in (TENSORS, STATE):
            if file_digest(path / name, "sha256") != digests.get(name):
                raise DataError(f"{name} does not match its digest")
        state = read_object(path / STATE)
        check_shape(state, {**shape, "step": COUNT}, STATE)
        if state["step"] != _step_of(path):
            raise DataError(f"{STATE} is of step {state['step']}")
    except DataError as error:
        raise CheckpointError(f"damaged checkpoint {path}: {error.message}") from error
    return Checkpoint(path, state["step"], state)


def _load_module(name: str, module: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    prefix = f"{name}/"
    saved = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    present = module.state_dict()
    for key, value in saved.items():
        # Torch would round to another type silently.
        if key in present and present[key].dtype != value.dtype:
            raise CheckpointError(
                f"{path}: {prefix}{key} is {value.dtype}, not {present[key].dtype}", _OTHER
            )
    try:
        fitting = {
            key: divided_like(value, present[key]) if key in present else value
            for key, value in saved.items()
        }
        missing, unexpected = module.load_state_dict(fitting, strict=False)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: {name} does not fit: {error}", _OTHER) from error
    if unexpected or set(missing) - _tied(module):
        raise CheckpointError(f"{path}: {name} has other parameters than the checkpoint", _OTHER)


def _whole_tensors(
    modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer | None
) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor to save with its name, gathered one by one from the processes over which it is sharded."""
    # Tied weights share storage, which safetensors refuses: each is written once, under its first name.
    for name, module in modules.items():
        tied = _tied(module)
        for key, value in module.state_dict().items():
            if key not in tied:
                yield f"{name}/{key}", gathered(value)
    if optimizer is not None:
        for index, entry in optimizer.state_dict()["state"].items():
            for name, value in entry.items():
                yield f"optimizer/{index}/{name}", gathered(value)


def _tied(module: nn.Module) -> set[str]:
    """Return the names whose tensor has an earlier name."""
    seen: dict[int, str] = {}
    tied: set[str] = set()
    for key, value in module.state_dict(keep_vars=True).items():
        if seen.setdefault(id(value), key) != key:
            tied.add(key)
    return tied


def _optimizer_states(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], checkpoint: Checkpoint
) -> dict[int, dict[str, Tensor]]:
    """Return the saved state of every trained parameter, by index. Raises CheckpointError if a part is missing."""
    path = checkpoint.path
    states: dict[str, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            _, index, name = f"{key}/".split("/")[:3]
            states.setdefault(index, {})[name] = value
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    # Checkpoints of before this field existed have nothing but their tensors.
    trained = checkpoint.state.get(TRAINED, [int(index) for index in states if index.isdecimal()])
    if (
        not trained
        or trained != sorted({*trained})
        or not 0 <= trained[0] <= trained[-1] < len(parameters)
    ):
        raise CheckpointError(
            f"{path}: the optimiser's state is missing or of another model", _OTHER
        )
    if {*states} != {str(index) for index in trained}:
        lacking = {str(index) for index in trained} - {*states}
        raise CheckpointError(
            f"{path}: {len(lacking)} of {len(trained)} trained parameters have no optimiser state",
            f"move {path} away: the run resumes from the checkpoint before it",
        )
    for index in trained:
        _check_state(states[str(index)], parameters[index], index, path)
    return {
        index: {
            name: divided_like(value, parameters[index]) if name in MOMENTS else value
            for name, value in states[str(index)].items()
        }
        for index in trained
    }


def _check_state(state: Mapping[str, Tensor], parameter: Tensor, index: int, path: Path) -> None:
    """Raise CheckpointError unless a parameter has its step and both moments, of its shape and type."""
    step, moments = state.get("step"), [state.get(name) for name in MOMENTS]
    fits = all(
        m is not None and (m.shape, m.dtype) == (parameter.shape, parameter.dtype) for m in moments
    )
    counted = step is not None and step.numel() == 1 and float(step) > 0
    if not fits or not counted or len(state) != len(MOMENTS) + 1:
        raise CheckpointError(
            f"{path}: the optimiser's state of parameter {index} is incomplete or does not fit",
            f"move {path} away: the run resumes from the checkpoint before it",
        )
