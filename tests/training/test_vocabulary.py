"""Rows of the input embeddings that are trained, against full training that puts all other rows back at every step."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from otx.alignment.trainable import TrainableAlignment
from otx.data.token_rows import PairRowReader
from otx.training.vocabulary import OccurringRows, lift, restrict
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions

TABLE = "roberta.embeddings.word_embeddings.weight"


@pytest.fixture
def encoder(tiny_model: Path) -> HuggingFaceEncoder:
    return HuggingFaceEncoder(str(tiny_model), EncoderOptions())


def table_of(folder: Path | str) -> torch.Tensor:
    return load_file(Path(folder) / "model.safetensors")[TABLE]


def test_lookup_and_gradient_are_the_whole_table_s() -> None:
    torch.manual_seed(0)
    whole = nn.Embedding(20, 5, padding_idx=1)
    chosen = torch.tensor([0, 3, 4, 19])
    rows = OccurringRows(whole, chosen)
    ids = torch.tensor([[0, 3, 3, 1], [7, 19, 4, 0]])
    assert torch.equal(rows(ids), whole(ids))
    weight = torch.randn(2, 4, 5)
    (rows(ids) * weight).sum().backward()
    (whole(ids) * weight).sum().backward()
    assert whole.weight.grad is not None and rows.rows.grad is not None
    assert torch.equal(rows.rows.grad, whole.weight.grad[chosen])


def test_copies_share_what_is_frozen_and_nothing_else() -> None:
    whole = nn.Embedding(20, 5)
    rows = OccurringRows(whole, torch.tensor([2, 5]))
    twin = copy.deepcopy(rows)
    assert twin._table.tensor.data_ptr() == rows._table.tensor.data_ptr()
    with torch.no_grad():
        rows.rows.add_(1)
    assert torch.equal(twin(torch.arange(20)), whole(torch.arange(20)))
    moved = whole.weight.detach().clone()
    moved[[2, 5]] += 1
    assert torch.equal(rows.whole(), moved)
    assert set(rows.state_dict()) == {"rows"}


def test_no_row_at_all_may_be_trained() -> None:
    whole = nn.Embedding(6, 3)
    rows = OccurringRows(whole, torch.tensor([], dtype=torch.long))
    assert torch.equal(rows(torch.arange(6)), whole.weight)


def test_the_encoder_is_whole_again(encoder: HuggingFaceEncoder) -> None:
    before = {name: value.clone() for name, value in encoder.module.state_dict().items()}
    digest = encoder.digest()
    restriction = restrict(encoder, np.array([5, 4, 5, 1]))
    inside = encoder.module.state_dict()
    # Neither the table nor the head that shares it is left; the padding row, 1, is not trained.
    assert TABLE not in inside and not any("lm_head" in name for name in inside)
    (name,) = [name for name in inside if name.endswith(".rows")]
    assert inside[name].shape == (2, before[TABLE].shape[1])
    with torch.no_grad():
        inside[name].add_(1)
    lift(encoder, restriction)
    after = encoder.module.state_dict()
    assert list(after) == list(before)
    expected = before[TABLE].clone()
    expected[[4, 5]] += 1
    assert torch.equal(after[TABLE], expected)
    model: Any = encoder.module
    assert model.lm_head.decoder.weight is model.get_input_embeddings().weight
    with torch.no_grad():
        model.get_input_embeddings().weight[[4, 5]] = before[TABLE][[4, 5]]
    assert encoder.digest() == digest


def test_a_head_that_is_trained_stays(encoder: HuggingFaceEncoder) -> None:
    encoder.fresh_head("sequence-classification", ["a", "b"])
    restriction = restrict(encoder, np.array([4]), keep_head=True)
    assert any("classifier" in name for name, _ in encoder.module.named_parameters())
    lift(encoder, restriction)


def test_an_encoder_without_a_plain_table_stays_whole() -> None:
    class Other:
        module = nn.Sequential(nn.Embedding(4, 2), nn.Linear(2, 2))

    assert restrict(Other(), np.array([0])) is None  # type: ignore[arg-type]
    lift(Other(), None)  # type: ignore[arg-type]


def training_ids() -> torch.Tensor:
    """Ids of the sub-words of all training pairs, from the rows that the run read."""
    found: set[int] = set()
    for folder in filter(Path.is_dir, Path("cache/tokenised").iterdir()):
        reader = PairRowReader(folder)
        count = sum(map(len, reader.lines()))
        source, pivot, _ = reader.rows(np.arange(count))
        for row in (*source, *pivot):
            found.update(row.ids)
    return torch.tensor(sorted(found))


@pytest.mark.parametrize(
    "objective",
    [
        ["sinkhorn"],
        ["sentence-contrastive", "--set", "sentence-contrastive.queue=12"],
        ["l2", "--set", "encoder.dropout=false", "--set", "optimizer.accumulate=2"],
    ],
)
def test_used_rows_end_as_in_full_training_and_others_as_they_came(
    align: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, objective: list[str]
) -> None:
    asked = [
        "--objective",
        *objective,
        "--steps",
        "5",
        "--lr",
        "0.01",
        "--set",
        "optimizer.weight_decay=0.1",
    ]
    assert align(*asked, "--run", "used") == 0
    ids = training_ids()
    initial = table_of(tiny_model)
    others = torch.ones(len(initial), dtype=torch.bool)
    others[ids] = False
    begin = TrainableAlignment.begin

    def putting_back(self: TrainableAlignment, step: int, steps: int) -> None:
        table = self.encoder.module.get_input_embeddings().weight  # type: ignore[operator]
        with torch.no_grad():
            table[others] = initial[others]
        begin(self, step, steps)

    monkeypatch.setattr(TrainableAlignment, "begin", putting_back)
    assert align(*asked, "--run", "whole", "--set", "encoder.vocabulary=whole") == 0

    used, whole = (load_file(f"runs/{name}/model/model.safetensors") for name in ("used", "whole"))
    assert 100 < len(ids) < len(initial) / 2
    assert torch.equal(used[TABLE][ids], whole[TABLE][ids])
    assert not torch.equal(used[TABLE][ids], initial[ids])
    assert torch.equal(used[TABLE][others], initial[others])
    for name in used.keys() - {TABLE}:
        assert torch.equal(used[name], whole[name]), name


def test_held_out_text_trains_no_row(align: Any, tiny_model: Path, bitext: str) -> None:
    assert align("--steps", "2", "--run", "r", "--set", "data.heldout=20") == 0
    held = json.loads(Path("runs/r/run.json").read_text())["corpora"][0]["ledger"]["held_out"]
    moved = (table_of("runs/r/model") != table_of(tiny_model)).any(1).nonzero().flatten()
    encoder = HuggingFaceEncoder(str(tiny_model), EncoderOptions())
    text = [Path(f"{bitext}.{side}").read_text().splitlines() for side in ("en", "de")]
    rows = encoder.tokenise([line for side in text for line in side])
    unread = {token for row in rows for token in row.ids} - set(training_ids().tolist())
    assert held > 0 and unread
    assert len(moved) and not unread & set(moved.tolist())


def test_checkpoints_carry_neither_the_table_nor_the_head(align: Any, tiny_model: Path) -> None:
    assert align("--steps", "2", "--run", "r") == 0
    tensors = load_file(next(Path("runs/r/checkpoints").glob("step-*")) / "tensors.safetensors")
    vocabulary = len(table_of(tiny_model))
    assert not [name for name, tensor in tensors.items() if vocabulary in tensor.shape]
    assert not [name for name in tensors if "lm_head" in name]
    saved, first = (
        load_file("runs/r/model/model.safetensors"),
        load_file(tiny_model / "model.safetensors"),
    )
    head = {name for name in first if name.startswith("lm_head")}
    assert head and all(torch.equal(saved[name], first[name]) for name in head)


@pytest.mark.parametrize("objective", ["mlm", "tlm"])
def test_objectives_that_predict_sub_words_train_the_whole_table(
    align: Any, tiny_model: Path, objective: str
) -> None:
    assert align("--objective", objective, "--steps", "2", "--run", "r", "--lr", "0.01") == 0
    moved = (table_of("runs/r/model") != table_of(tiny_model)).any(1)
    assert moved[2:].all()


@pytest.mark.parametrize("part", ["encoder.lora=2", "encoder.freeze=embeddings"])
def test_frozen_embeddings_stay_as_they_came(align: Any, tiny_model: Path, part: str) -> None:
    if "lora" in part:
        pytest.importorskip("peft")
    asked = ["--steps", "2", "--lr", "0.01", "--set", part]
    assert align(*asked, "--run", "used") == 0
    assert align(*asked, "--run", "whole", "--set", "encoder.vocabulary=whole") == 0
    used, whole = (load_file(f"runs/{name}/model/model.safetensors") for name in ("used", "whole"))
    assert torch.equal(used[TABLE], table_of(tiny_model))
    assert all(torch.equal(used[name], whole[name]) for name in used)


def test_parameters_are_kept_close_whatever_rows_are_trained(align: Any) -> None:
    asked = ["--objective", "l2", "--objective", "keep-close", "--steps", "3", "--lr", "0.0001"]
    asked += ["--set", "keep-close.kind=parameters", "--set", "optimizer.weight_decay=0"]
    assert align(*asked, "--run", "used") == 0
    assert align(*asked, "--run", "whole", "--set", "encoder.vocabulary=whole") == 0
    lines = [
        Path(f"runs/{name}/metrics.jsonl").read_text().splitlines() for name in ("used", "whole")
    ]
    used, whole = ([json.loads(line) for line in own] for own in lines)
    for name in ("loss", "keep-close", "grad_norm"):
        assert [row[name] for row in used] == pytest.approx([row[name] for row in whole], rel=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu_used_rows_end_as_in_full_training(align: Any, tiny_model: Path) -> None:
    """Within 1e-5 after three steps: sums over a batch come in no fixed order there."""
    asked = ["--steps", "3", "--lr", "0.0001", "--device", "cuda", "--dtype", "fp32"]
    assert align(*asked, "--run", "used") == 0
    assert align(*asked, "--run", "whole", "--set", "encoder.vocabulary=whole") == 0
    used, whole = table_of("runs/used/model"), table_of("runs/whole/model")
    ids = training_ids()
    torch.testing.assert_close(used[ids], whole[ids], atol=1e-5, rtol=0)
    others = torch.ones(len(used), dtype=torch.bool)
    others[ids] = False
    assert torch.equal(used[others], table_of(tiny_model)[others])
