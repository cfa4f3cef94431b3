from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from otx.errors import DataError
from otx_encoders.e5_small.packed import PackedModel, write_packed
from scripts.laboratory import packing
from scripts.laboratory.material import draw_material
from scripts.laboratory.study import Evaluation, Study

pytest.importorskip("sentencepiece", reason="sentencepiece (otx[e5]) is not installed")


@pytest.fixture
def small(study: Study, tmp_path: Path) -> Study:
    """A study of the packed encoder on one file of three sentence pairs."""
    texts = tmp_path / "texts"
    (texts / "pairs").mkdir(parents=True)
    (texts / "pairs" / "x.en-de.en").write_text("ab cd\nd abcd\na b\n")
    (texts / "pairs" / "x.en-de.de").write_text("cd ab\naé b\nab\n")
    task = Evaluation("retrieval", 1.0, data="pairs", copy=("pairs/*",))
    return replace(study, model="e5-small", tasks={"retrieval": task})


@pytest.fixture
def q4(whole: PackedModel, build: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "whole.q4"
    write_packed(whole, path)
    monkeypatch.setattr(packing, "packed_file", lambda: path)
    monkeypatch.setattr(packing, "model_digest", lambda model, path: "digest of the encoder")
    return path


@pytest.mark.parametrize("name", ["pack.tar", "pack"])
def test_a_pack_comes_out_as_it_went_in(
    name: str, small: Study, q4: Path, whole: PackedModel, build: Callable[..., Tokenizer],
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "tomli-1.0-py3-none-any.whl").write_bytes(b"wheel")
    packing.pack(small, tmp_path / "texts", tmp_path / name, tmp_path / "wheels", dry_run=False)
    printed = capsys.readouterr().out
    for part in ("retrieval", "encoder", "wheel tomli"):
        assert f"\n{part}" in printed
    unpacked = packing.unpack(small, tmp_path / name, tmp_path / "out")
    assert unpacked.digest == "digest of the encoder" and unpacked.model is not None
    assert unpacked.manifest == draw_material(small, tmp_path / "texts", tmp_path / "drawn")
    assert unpacked.wheels is not None and (unpacked.wheels / "tomli-1.0-py3-none-any.whl").exists()
    tokenizer, full = Tokenizer.from_file(str(unpacked.model / "tokenizer.json")), build(whole)
    weights = load_file(unpacked.model / "model.safetensors")
    rows = weights["embeddings.word_embeddings.weight"]
    shape = whole.shape
    old = whole.tensors["emb.word"].unpack().reshape(shape.vocabulary, shape.hidden)
    for text in ("ab cd", "d abcd", "aé b"):
        one, other = full.encode(text), tokenizer.encode(text)
        assert one.tokens == other.tokens
        assert np.array_equal(old[one.ids], rows[other.ids])
    assert tokenizer.get_vocab_size() < full.get_vocab_size()
    assert json.loads((unpacked.model / "config.json").read_text())["vocab_size"] == len(rows)


def test_a_dry_run_writes_nothing(
    small: Study, q4: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packing.pack(small, tmp_path / "texts", tmp_path / "pack", None, dry_run=True)
    assert "bytes in all" in capsys.readouterr().out
    assert not (tmp_path / "pack").exists()


def test_a_damaged_pack_is_refused(small: Study, q4: Path, tmp_path: Path) -> None:
    packing.pack(small, tmp_path / "texts", tmp_path / "pack", None, dry_run=False)
    blocks = tmp_path / "pack" / packing.ENCODER
    blocks.write_bytes(blocks.read_bytes()[:-1] + b"?")
    with pytest.raises(DataError, match=r"encoder\.q4 is damaged"):
        packing.unpack(small, tmp_path / "pack", tmp_path / "out")


def test_a_pack_that_is_too_large_is_not_written(
    small: Study, q4: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packing, "LARGEST", 1000)
    with pytest.raises(DataError, match="above"):
        packing.pack(small, tmp_path / "texts", tmp_path / "pack", None, dry_run=False)


def test_a_pack_of_other_data_is_refused(small: Study, q4: Path, tmp_path: Path) -> None:
    packing.pack(small, tmp_path / "texts", tmp_path / "pack", None, dry_run=False)
    edited = replace(small, copy=("pairs/x.en-de.en",))
    with pytest.raises(DataError, match="other data than study tiny draws"):
        packing.unpack(edited, tmp_path / "pack", tmp_path / "out")


def test_another_encoder_is_not_packed(study: Study, data: Path, tmp_path: Path) -> None:
    packing.pack(study, data, tmp_path / "pack", None, dry_run=False)
    unpacked = packing.unpack(study, tmp_path / "pack", tmp_path / "out")
    assert unpacked.model is None and unpacked.digest is None
    assert (unpacked.material / "nli/xnli/test-de.tsv").exists()
