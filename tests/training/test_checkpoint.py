"""Checkpoints: exact round trips, damage found and named, nothing half-written accepted."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from otx.errors import CheckpointError, OTXError
from otx.files.digests import file_digest
from otx.training import checkpoint


class Tied(nn.Module):
    """Two names for one weight, as a masked-LM head has."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.second.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


def made(seed: int = 0) -> tuple[dict[str, nn.Module], torch.optim.Optimizer]:
    torch.manual_seed(seed)
    modules: dict[str, nn.Module] = {"encoder": Tied(), "objective": nn.Linear(4, 1)}
    wanted = [p for m in modules.values() for p in m.parameters()]
    optimizer = torch.optim.AdamW(wanted, lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        modules["objective"](modules["encoder"](torch.randn(5, 4))).sum().backward()
        optimizer.step()
    return modules, optimizer


def same(one: nn.Module, other: nn.Module) -> bool:
    left, right = one.state_dict(), other.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_round_trip_is_bit_equal_and_keeps_ties(tmp_path: Path) -> None:
    modules, optimizer = made()
    checkpoint.save(tmp_path, 3, modules, optimizer=optimizer, state={"note": "x"})
    found, damaged = checkpoint.newest(tmp_path)
    assert found is not None and not damaged
    assert (found.step, found.state["note"]) == (3, "x")
    others, other_optimizer = made(seed=1)
    checkpoint.load(found, others, other_optimizer)
    assert all(same(modules[name], others[name]) for name in modules)
    assert others["encoder"].first.weight is others["encoder"].second.weight  # type: ignore[union-attr]
    before, after = optimizer.state_dict()["state"], other_optimizer.state_dict()["state"]
    assert before.keys() == after.keys()
    for index in before:
        assert all(torch.equal(before[index][name], after[index][name]) for name in before[index])


@pytest.mark.parametrize("name", [checkpoint.TENSORS, checkpoint.STATE, checkpoint.MANIFEST])
@pytest.mark.parametrize("harm", ["delete", "truncate", "flip"])
def test_a_damaged_newest_is_named_and_the_one_before_used(
    tmp_path: Path, name: str, harm: str
) -> None:
    modules, optimizer = made()
    checkpoint.save(tmp_path, 1, modules, optimizer=optimizer)
    hurt = checkpoint.save(tmp_path, 2, modules, optimizer=optimizer) / name
    content = hurt.read_bytes()
    if harm == "delete":
        hurt.unlink()
    elif harm == "truncate":
        hurt.write_bytes(content[: len(content) // 2])
    else:
        middle = len(content) // 2
        hurt.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    found, damaged = checkpoint.newest(tmp_path)
    assert found is not None and found.step == 1
    assert len(damaged) == 1 and "step-00000002" in str(damaged[0])
    checkpoint.set_aside(tmp_path, found.step)
    assert checkpoint.newest(tmp_path)[1] == []
    checkpoint.save(tmp_path, 2, modules, optimizer=optimizer)
    checkpoint.prune(tmp_path, 1)
    found, damaged = checkpoint.newest(tmp_path)
    assert found is not None and found.step == 2 and not damaged


def test_other_shapes_are_refused(tmp_path: Path) -> None:
    modules, optimizer = made()
    checkpoint.save(tmp_path, 1, modules, optimizer=optimizer)
    found, _ = checkpoint.newest(tmp_path)
    assert found is not None
    modules["objective"] = nn.Linear(4, 2)
    with pytest.raises(CheckpointError, match="objective"):
        checkpoint.load(found, modules, optimizer)


def test_a_full_disk_leaves_the_old_checkpoint_and_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules, optimizer = made()
    checkpoint.save(tmp_path, 1, modules, optimizer=optimizer)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(OTXError, match="MB"):
        checkpoint.save(tmp_path, 2, modules, optimizer=optimizer)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000001"]


def test_prune_keeps_the_newest(tmp_path: Path) -> None:
    modules, optimizer = made()
    for step in (1, 2, 30):
        checkpoint.save(tmp_path, step, modules, optimizer=optimizer)
    checkpoint.prune(tmp_path, 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000002", "step-00000030"]


SAVER = """
import sys, torch
from pathlib import Path
from torch import nn
from otx.training import checkpoint
torch.set_num_threads(1)
module = nn.Linear(400, 400)
optimizer = torch.optim.AdamW(module.parameters())
module(torch.randn(2, 400)).sum().backward()
optimizer.step()
print("ready", flush=True)
for step in range(1, 100000):
    nn.init.constant_(module.weight, float(step))
    checkpoint.save(Path(sys.argv[1]), step, {"m": module}, optimizer=optimizer)
    checkpoint.prune(Path(sys.argv[1]), 2)
"""


def test_a_kill_at_any_moment_leaves_a_whole_newest(tmp_path: Path) -> None:
    """Ten kills spread over the save: what is newest verifies, and holds the weights of its own step."""
    process = subprocess.Popen(
        [sys.executable, "-c", SAVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    for trial in range(10):
        time.sleep(0.11 + 0.0137 * trial)
        process.send_signal(signal.SIGSTOP)
        found, damaged = checkpoint.newest(tmp_path)
        if found is not None:
            module = nn.Linear(400, 400)
            optimizer = torch.optim.AdamW(module.parameters())
            checkpoint.load(found, {"m": module}, optimizer)
            assert bool((module.weight == found.step).all())
        assert not damaged
        process.send_signal(signal.SIGCONT)
    process.kill()
    process.wait()
    found, damaged = checkpoint.newest(tmp_path)
    assert found is not None and not damaged


@pytest.mark.parametrize("name", ["step-00000005.bak", "step-old", "step-5", "step-000000005", "x"])
def test_folders_of_other_names_are_ignored(tmp_path: Path, name: str) -> None:
    modules, optimizer = made()
    for step in (3, 4, 5):
        checkpoint.save(tmp_path, step, modules, optimizer=optimizer)
    shutil.copytree(tmp_path / "step-00000005", tmp_path / name)
    (tmp_path / "step-00000009").write_text("a file")
    newest, damaged = checkpoint.newest(tmp_path)
    assert newest is not None and newest.step == 5 and not damaged
    checkpoint.prune(tmp_path, 2)
    checkpoint.set_aside(tmp_path, 4)
    assert {path.name for path in tmp_path.iterdir()} == {
        name, "step-00000009", "step-00000004", "damaged-step-00000005",
    }  # fmt: skip


def sign(folder: Path) -> None:
    """Write the manifest anew, as after a change that nobody noticed."""
    digests = {
        name: file_digest(folder / name, "sha256")
        for name in (checkpoint.TENSORS, checkpoint.STATE)
    }
    (folder / checkpoint.MANIFEST).write_text(json.dumps(digests))


STATES = {
    "a list": "[]",
    "another step": '{"step": 9999, "flat": {}}',
    "an earlier step": '{"step": 1, "flat": {}}',
    "a step as text": '{"step": "2", "flat": {}}',
    "no step": '{"flat": {}}',
    "a field less": '{"step": 2}',
    "null": '{"step": 2, "flat": null}',
    "too deep": "[" * 100_000,
    "too many digits": '{"step": ' + "9" * 5000 + ', "flat": {}}',
}


@pytest.mark.parametrize("text", STATES.values(), ids=STATES)
def test_a_state_that_cannot_be_this_steps_is_damage(tmp_path: Path, text: str) -> None:
    modules, optimizer = made()
    for step in (1, 2):
        checkpoint.save(tmp_path, step, modules, optimizer=optimizer, state={"flat": {}})
    (tmp_path / "step-00000002" / checkpoint.STATE).write_text(text)
    sign(tmp_path / "step-00000002")
    newest, damaged = checkpoint.newest(tmp_path, {"flat": {str: int}})
    assert newest is not None and newest.step == 1
    assert len(damaged) == 1 and "damaged checkpoint" in damaged[0].message
    assert "step-00000002" in damaged[0].message


@pytest.mark.parametrize("text", ["[]", "3", "[" * 100_000, '{"state.json": 5}', "{}"])
def test_an_odd_manifest_is_damage(tmp_path: Path, text: str) -> None:
    modules, optimizer = made()
    (checkpoint.save(tmp_path, 1, modules, optimizer=optimizer) / checkpoint.MANIFEST).write_text(
        text
    )
    newest, damaged = checkpoint.newest(tmp_path)
    assert newest is None and len(damaged) == 1


Harm = Callable[[dict[str, torch.Tensor]], object]
HARMS: dict[str, Harm] = {
    "every second entry": lambda tensors: [
        tensors.pop(key)
        for key in [*tensors]
        if key.startswith("optimizer/") and int(key.split("/")[1]) % 2
    ],
    "one step": lambda tensors: tensors.pop("optimizer/1/step"),
    "one moment": lambda tensors: tensors.pop("optimizer/1/exp_avg"),
    "the last entry": lambda tensors: [
        tensors.pop(key) for key in [*tensors] if key.startswith("optimizer/4/")
    ],
    "another shape": lambda tensors: tensors.update({"optimizer/0/exp_avg_sq": torch.zeros(1, 4)}),
    "another type": lambda tensors: tensors.update(
        {"optimizer/0/exp_avg": torch.zeros(4, 4, dtype=torch.float16)}
    ),
    "an entry too many": lambda tensors: tensors.update({"optimizer/9/step": torch.ones(())}),
    "an odd name": lambda tensors: tensors.update({"optimizer/x": torch.ones(())}),
    "all of it": lambda tensors: [
        tensors.pop(key) for key in [*tensors] if key.startswith("optimizer/")
    ],
    "a weight in another type": lambda tensors: tensors.update(
        {"objective/bias": tensors["objective/bias"].half()}
    ),
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_state_lost_in_part_is_refused(tmp_path: Path, harm: Harm) -> None:
    modules, optimizer = made()
    folder = checkpoint.save(tmp_path, 3, modules, optimizer=optimizer)
    tensors = load_file(folder / checkpoint.TENSORS)
    harm(tensors)
    save_file(tensors, folder / checkpoint.TENSORS)
    sign(folder)
    newest, _ = checkpoint.newest(tmp_path)
    assert newest is not None
    with pytest.raises(CheckpointError, match="step-00000003"):
        checkpoint.load(newest, *made(seed=1))


def test_only_parameters_that_are_trained_have_state(tmp_path: Path) -> None:
    """A frozen parameter is not in the optimiser, and one that no loss reads never gets a state."""

    def begin() -> tuple[dict[str, nn.Module], torch.optim.Optimizer]:
        modules: dict[str, nn.Module] = {"encoder": Tied(), "unread": nn.Linear(4, 4)}
        modules["encoder"].first.requires_grad_(False)  # type: ignore[union-attr]
        wanted = [p for m in modules.values() for p in m.parameters() if p.requires_grad]
        return modules, torch.optim.AdamW(wanted)

    modules, optimizer = begin()
    modules["encoder"](torch.randn(5, 4)).sum().backward()
    optimizer.step()
    checkpoint.save(tmp_path, 1, modules, optimizer=optimizer)
    newest, _ = checkpoint.newest(tmp_path)
    assert newest is not None and newest.state[checkpoint.TRAINED] == [0]
    others, other = begin()
    checkpoint.load(newest, others, other)
    assert len(other.state_dict()["state"]) == 1
    assert all(same(modules[name], others[name]) for name in modules)
