"""Low-rank additions: nothing at first, merged at the end, and a plain folder afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from otx.cli import run as otx
from otx.errors import UsageError
from otx.training import lora
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions

peft = pytest.importorskip("peft")


@pytest.fixture
def encoder(tiny_model: Path) -> HuggingFaceEncoder:
    return HuggingFaceEncoder(str(tiny_model), EncoderOptions())


def states(encoder: HuggingFaceEncoder) -> torch.Tensor:
    batch = encoder.collate(encoder.tokenise(["The bridge is open.", "Die Brücke"]))
    with torch.no_grad():
        return encoder.encode(batch).tokens[-1]


def test_additions_begin_at_nothing_and_merge_into_plain_weights(
    encoder: HuggingFaceEncoder,
) -> None:
    before, names = states(encoder), [*encoder.module.state_dict()]
    untouched = {name: p.clone() for name, p in encoder.module.state_dict().items()}
    lora.add(encoder, 4)
    assert torch.equal(states(encoder), before)
    trained = [name for name, p in encoder.module.named_parameters() if p.requires_grad]
    assert trained and all("lora_" in name for name in trained)
    with torch.no_grad():
        for name, parameter in encoder.module.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    moved = states(encoder)
    assert not torch.allclose(moved, before)
    lora.merge(encoder)
    assert torch.allclose(states(encoder), moved, atol=1e-5)
    assert [*encoder.module.state_dict()] == names
    changed = [
        name
        for name, value in encoder.module.state_dict().items()
        if not torch.equal(value, untouched[name])
    ]
    assert changed and all("layer.0" in name and name.endswith("weight") for name in changed)
    for name in changed:
        # An addition of rank 4 is one.
        rank = torch.linalg.matrix_rank(
            (encoder.module.state_dict()[name] - untouched[name]).double(), tol=1e-4
        )
        assert rank <= 4, name


def test_a_run_with_lora_leaves_a_plain_folder_and_resumes(
    align: Any, monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    import os
    import signal

    from otx.alignment.trainable import TrainableAlignment

    wanted = ["--steps", "6", "--set", "encoder.lora=4", "--lr", "0.01"]
    assert align(*wanted, "--run", "whole") == 0
    loss, seen = TrainableAlignment.loss, [0]

    def stopping(self: TrainableAlignment, batch: Any) -> Any:
        seen[0] += 1
        if seen[0] == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(self, batch)

    monkeypatch.setattr(TrainableAlignment, "loss", stopping)
    assert align(*wanted, "--run", "parts") == 5
    assert otx(["align", "--resume", "parts", "--quiet"]) == 0
    whole, parts = (
        load_file(f"runs/{name}/model/model.safetensors") for name in ("whole", "parts")
    )
    first = load_file(tiny_model / "model.safetensors")
    assert whole.keys() == parts.keys() == first.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert any(not torch.equal(whole[name], first[name]) for name in whole)
    record = json.loads(Path("runs/whole/run.json").read_text())
    assert 0 < record["trainable_parameters"] < sum(value.numel() for value in first.values()) / 10


def test_the_best_of_a_run_with_lora_is_kept_and_merged(align: Any, larger_bitext: str) -> None:
    wanted = ["--corpus", larger_bitext, "--steps", "4", "--set", "encoder.lora=4", "--lr", "0.01"]
    every = ["--set", "diagnostics.every=1", "--keep-best", "retrieval"]
    assert align(*wanted, *every, "--run", "kept") == 0
    best = json.loads(Path("runs/kept/run.json").read_text())["best"]["step"]
    stored = load_file(f"runs/kept/best/step-{best:08d}/tensors.safetensors")
    name = "roberta.encoder.layer.0.attention.self.query"
    base = stored[f"encoder/{name}.base_layer.weight"]
    a, b = (stored[f"encoder/{name}.lora_{side}.default.weight"] for side in "AB")
    kept = load_file("runs/kept/model/model.safetensors")[f"{name}.weight"]
    assert torch.allclose(kept, base + lora.SCALE * b @ a, atol=1e-6)


def test_without_peft_the_way_out_is_named(
    encoder: HuggingFaceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    with pytest.raises(UsageError, match=r"encoder\.lora needs peft") as caught:
        lora.add(encoder, 4)
    assert caught.value.remedy == 'pip install "otx[lora]"'
