"""Two processes are one: every objective trains the same weights, and gradients that no process has stay absent."""

import json
import os
import socket
import subprocess
import sys
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from otx.errors import UsageError
from otx.training import processes
from otx.training.processes import ALONE, open_processes

QUICK = ("mixed", "queue")
"""Objectives of both scopes, random masks, own parameters, and buffers that all processes keep alike."""

WITHIN = {"null": 1e-6}
"""Largest difference of the weights, if not 1e-10. The solver of ``null`` ends at its own tolerance, 1e-6: all its rows
are at the edge of a constraint, where the last bits of a sum decide on which side of it a step goes.
"""


def start(module: str, *arguments: str, count: int = 2) -> list[tuple[int, str, str]]:
    """Run a module in processes; returns the exit code and both streams of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    place |= {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=os.environ | place | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    ended = [process.communicate(timeout=600) for process in started]
    return [(process.returncode, *streams) for process, streams in zip(started, ended, strict=True)]


def distances(model: Path, corpus: str, *names: str) -> dict[str, dict[str, float]]:
    (code, out, err), (other, _, other_err) = start(
        "tests.training.two_processes", str(model), corpus, *names
    )
    assert code == 0 == other, f"{err}\n{other_err}"
    read: dict[str, dict[str, float]] = json.loads(out.splitlines()[-1])
    return read


def check(measured: dict[str, dict[str, float]]) -> None:
    for name, gaps in measured.items():
        assert gaps["weights"] < WITHIN.get(name, 1e-10), name
        assert gaps["gradients"] < 1e-5, name
        assert gaps["rows"] < 1e-5, name


def test_two_processes_train_the_weights_of_one(tiny_model: Path, bitext: str) -> None:
    check(distances(tiny_model, bitext, *QUICK))


@pytest.mark.timeout(900)
def test_every_objective_trains_the_same_in_two_processes(tiny_model: Path, bitext: str) -> None:
    measured = distances(tiny_model, bitext)
    assert len(measured) > 40
    check(measured)


def test_the_reduction_in_three_processes() -> None:
    for code, out, err in start("tests.training.reducing", count=3):
        assert code == 0, err
        assert out.splitlines()[-1] == "checked"


SHARDED = (
    "sinkhorn",
    "sentence-contrastive",
    "mixed",
    "queue",
    "accumulated",
    "lora",
    "frozen",
    "recompute",
)
"""Objectives of both scopes, with parameters and buffers of their own, a language-model head, and a moving average."""


def test_each_of_two_processes_keeps_half_of_a_sharded_encoder() -> None:
    kept = []
    for code, out, err in start("tests.training.sharding"):
        assert code == 0, err
        kept.append(json.loads(out.splitlines()[-1]))
    # Tables of 9 and 1 rows, and three linear maps of 6 to 6, in float64. The last map is not used.
    parameters = 8 * (6 * (9 + 1) + 3 * (36 + 6))
    used = 8 * (6 * (9 + 1) + 2 * (36 + 6))
    for one in kept:
        assert one["whole"] == {"parameters": parameters, "gradients": used, "moments": 2 * used}
    for name, whole in kept[0]["whole"].items():
        assert sum(one["sharded"][name] for one in kept) == whole
    # Of rows that are odd in number, the first process has one more.
    assert kept[0]["sharded"]["parameters"] == parameters // 2 + 8 * 6


@pytest.mark.timeout(300)
def test_two_processes_with_sharded_encoders_train_the_weights_of_one(
    tiny_model: Path, bitext: str
) -> None:
    check(distances(tiny_model, bitext, "--shard", *SHARDED))


def test_without_torchrun_there_is_one_process() -> None:
    with open_processes(torch.device("cpu")) as alone:
        assert alone is ALONE and alone.is_first
        assert alone.any([True, False]) == [True, False]
        assert alone.gather("a") == ["a"] and alone.from_first(3) == 3
        assert alone.meet(True) and not alone.meet()


def test_a_torch_without_distributed_trains_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    # What such a torch has of it, besides two types.
    stub = ModuleType("torch.distributed")
    monkeypatch.setitem(sys.modules, "torch.distributed", stub)
    monkeypatch.setattr(torch, "distributed", stub)
    read = {}
    for name in ("heartbeat", "processes", "reduction", "shards"):
        path = Path(processes.__file__).with_name(f"{name}.py")
        spec = util.spec_from_file_location(f"{name}_anew", path)
        assert spec is not None and spec.loader is not None
        module: Any = util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        read[name] = module
    with read["processes"].open_processes(torch.device("cpu")) as alone:
        assert type(read["reduction"].make_reduction(alone, [])) is read["reduction"].Reduction
        assert type(read["shards"].make_shard(np.ones(2), alone)) is read["shards"].Shard


def test_a_gpu_for_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    choose: Any = processes._choose_gpu
    choose(torch.device("cuda"), 1, 2)
    assert chosen == [1]
    with pytest.raises(UsageError, match="use --device cuda"):
        choose(torch.device("cuda:1"), 1, 2)
    with pytest.raises(UsageError, match="3 processes on a machine with 2 GPUs"):
        choose(torch.device("cuda"), 1, 3)
