"""Train encoders that are sharded over these processes, and print what each process keeps; a test's processes run this.

    python -m tests.training.sharding

torchrun's environment variables say which process this is. Every process checks that a checkpoint of a sharded module
is read whole and sharded, with the weights and moments of one process, and prints the bytes of its parameters,
gradients and moments: sharded, and whole.
"""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from otx.errors import UsageError
from otx.training import checkpoint
from otx.training.auxiliary_encoders import AuxiliaryEncoders, ema_update
from otx.training.optimizer import (
    FitSettings,
    clip_gradients,
    make_optimizer,
    take_step,
    trained_parameters,
)
from otx.training.processes import ALONE, Processes, ProcessGroup, open_processes
from otx.training.reduction import make_reduction
from otx.training.sharded_encoders import ShardedEncoder, shard_encoders
from otx.training.sharded_tensors import gathered, is_sharded, own_part
from otx.types import Encoded

STEPS, TEXTS, WIDTH, LAYERS = 3, 4, 6, 2
FIT = FitSettings(steps=STEPS, lr=1e-2, seed=1)


class Stack(nn.Module):
    """Embeddings, layers, and a vector that only some calls read."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(9, WIDTH)
        self.layers = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(LAYERS))
        self.kind = nn.Embedding(1, WIDTH)
        self.unused = nn.Linear(WIDTH, WIDTH)


class Small:
    """An encoder of its own kind: no transformers, no method but those that training calls."""

    reference, dimension, layers = "small", WIDTH, LAYERS

    def __init__(self, layers: int = LAYERS) -> None:
        self.layers = layers
        self.module = Stack().double()

    def encode(self, batch: Any, layers: Any = (-1,)) -> Encoded:
        """Return the states of the last layer."""
        states = self.module.embeddings(batch.ids) + self.module.kind.weight[0]
        for layer in self.module.layers:
            states = torch.tanh(layer(states))
        return Encoded({-1: states}, batch.ids > 0, batch.ids)


def encoder(layers: int = LAYERS) -> Any:
    """Return the encoder; its layers are found if it states their number."""
    torch.manual_seed(0)
    return Small(layers)


class Trained:
    """An encoder in training, with a head that is not sharded and a moving average."""

    def __init__(self, processes: Processes, layers: int = LAYERS) -> None:
        whole = encoder(layers)
        momentum = copy.deepcopy(whole)
        momentum.module.requires_grad_(False)
        self.processes, self.whole, self.encoder = processes, whole, whole
        auxiliary = AuxiliaryEncoders(momentum=momentum, reference=momentum)
        if isinstance(processes, ProcessGroup):
            self.encoder, auxiliary = shard_encoders(
                whole, auxiliary, processes, torch.device("cpu")
            )
        assert auxiliary.momentum is auxiliary.reference is not None
        self.momentum = auxiliary.momentum
        head = nn.Linear(WIDTH, 1).double()
        self.modules = {
            "encoder": self.encoder.module,
            "head": head,
            "momentum": self.momentum.module,
        }
        self.optimizer = make_optimizer(self.modules, FIT)

    def step(self, number: int) -> None:
        """Take a step over this process's half of the texts; in step 1, the second half has a loss without encoder."""
        ids = torch.randint(9, (2, TEXTS, 5), generator=torch.Generator().manual_seed(number))
        reduction = make_reduction(self.processes, trained_parameters(self.modules))
        value = torch.zeros((), dtype=torch.float64)
        for half in [self.processes.rank] if self.processes.count > 1 else range(2):
            batch: Any = SimpleNamespace(ids=ids[half])
            states = self.encoder.encode(batch).states()
            with torch.no_grad():
                frozen = self.momentum.encode(batch).states()
            if (number, half) == (1, 1):
                states = torch.ones_like(frozen)
            value = value + self.modules["head"](states - 0.5 * frozen).square().sum()
        if isinstance(self.encoder, ShardedEncoder):
            value = self.encoder.reached_by(value)
        reduction.backward(value, last=True)
        bad = reduction.finish(torch.zeros(()))
        reduction.close()
        self.norm = clip_gradients(self.modules, 1.0, self.processes)
        self.kept = self.bytes()
        take_step(self.optimizer, bad)
        ema_update(self.momentum, self.encoder, 0.9)

    def bytes(self) -> dict[str, int]:
        """Return the bytes that this process keeps of the encoder."""
        parameters = list(self.encoder.module.parameters())
        gradients = [p.grad for p in parameters if p.grad is not None]
        moments = [
            value
            for p in parameters
            for name, value in self.optimizer.state.get(p, {}).items()
            if name != "step"
        ]
        groups = {"parameters": parameters, "gradients": gradients, "moments": moments}
        return {
            name: sum(own_part(t).numel() * t.element_size() for t in tensors)
            for name, tensors in groups.items()
        }

    def values(self) -> dict[str, Tensor]:
        """Return all weights and moments, gathered."""
        return {
            name: tensor.detach().clone()
            for name, tensor in checkpoint._whole_tensors(self.modules, self.optimizer)
        }


def same(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float = 1e-12) -> None:
    """Check that values are equal to within a tolerance."""
    assert one.keys() == other.keys(), one.keys() ^ other.keys()
    for name, value in one.items():
        assert torch.allclose(value, other[name], rtol=0, atol=tolerance), name


def main() -> None:
    """Check, and print the bytes."""
    with open_processes(torch.device("cpu")) as processes:
        assert isinstance(processes, ProcessGroup)
        alone, sharded = Trained(ALONE), Trained(processes)
        assert all(is_sharded(p) for p in sharded.encoder.module.parameters())
        assert not any(is_sharded(p) for p in sharded.modules["head"].parameters())
        for number in range(STEPS):
            alone.step(number)
            sharded.step(number)
            assert torch.allclose(alone.norm, sharded.norm)
        same(alone.values(), sharded.values())
        # Without layers that can be found, all parameters are gathered together.
        together = Trained(processes, layers=7)
        for number in range(STEPS):
            together.step(number)
        same(alone.values(), together.values())
        check_checkpoints(alone, sharded, processes)
        single = encoder()
        single.module.scale = nn.Parameter(torch.ones(()))
        try:
            ShardedEncoder(single, processes, torch.device("cpu"))
        except UsageError as error:
            assert "scale is a single number" in error.message
        else:
            raise AssertionError("not refused")
        print(json.dumps({"sharded": sharded.kept, "whole": alone.kept}))


def check_checkpoints(alone: Trained, sharded: Trained, processes: ProcessGroup) -> None:
    """Check that sharded modules write and read the checkpoints of whole ones."""
    folder = Path(processes.from_first(tempfile.mkdtemp()))
    saved: Any = None
    if processes.is_first:
        checkpoint.save(folder, STEPS, sharded.modules, optimizer=sharded.optimizer)
        saved, damaged = checkpoint.newest(folder)
        assert not damaged
    else:
        checkpoint.lend(sharded.modules, sharded.optimizer)
    saved = processes.from_first(saved)
    readers = Trained(ALONE), Trained(processes)
    for reader in readers:
        checkpoint.load(saved, reader.modules, reader.optimizer)
        same(sharded.values(), reader.values(), tolerance=0)
    for one in (alone, sharded, *readers):
        one.step(STEPS)
    for one in (sharded, *readers):
        same(alone.values(), one.values())
    whole = sharded.whole if processes.is_first else None
    sharded.encoder.copy_to(whole)
    weights = {name: gathered(v) for name, v in sharded.encoder.module.state_dict().items()}
    if whole is not None:
        same(dict(whole.module.state_dict()), weights, tolerance=0)


if __name__ == "__main__":
    main()
