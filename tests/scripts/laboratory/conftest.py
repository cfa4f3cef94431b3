"""A tiny study of the embedded encoder: probes on the embedded sample, one task on made files."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from otx.config.settings import load_settings
from otx.plugin_host.host import host
from otx.plugin_host.registry import Registry
from scripts.laboratory import cell, command
from scripts.laboratory.cell import Job
from scripts.laboratory.material import draw_material
from scripts.laboratory.study import Study, read_study

STUDY = """
name = "tiny"
model = "mini"
results = "cells"

[pace]
cpu = 2.0

[settings.align]
steps = 3

[settings.data]
corpus = ["sample:de"]
batch_tokens = 128
heldout = 20

[settings.runtime]
dtype = "fp32"

[settings.eval]
checks = 1

[systems.untouched]
align = false

[systems.sinkhorn]
seconds = 10
set = {"align.objective" = ["sinkhorn"]}

[systems.shuffled]
seconds = 10
wrong = 1.0
set = {"align.objective" = ["sinkhorn"]}

[tasks.retrieval]
task = "retrieval"
seconds = 1
languages = ["de"]

[tasks.xnli]
task = "xnli"
seconds = 5
data = "nli"
languages = ["en", "de"]
options = {epochs = 1.0, batch = 8, lr = 1e-4}
copy = ["nli/xnli/test-*.tsv"]
train = {kind = "nli", files = ["nli/made.tsv"], count = 24, output = "nli/english-train/train.tsv"}

[[tiers]]
tier = 1
systems = ["untouched", "sinkhorn"]
seeds = [1]

[[tiers]]
tier = 2
systems = ["sinkhorn", "untouched", "shuffled"]
seeds = [1, 2]
"""
LABELS = ("entailment", "neutral", "contradiction")


def made_rows(words: str, count: int) -> str:
    return "".join(f"{words} {i}\t{words} again\t{LABELS[i % 3]}\n" for i in range(count))


@pytest.fixture(scope="session")
def registry() -> Registry:
    return host(load_settings()).registry


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with made inference pairs: one file plain, one compressed."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "nli" / "xnli").mkdir(parents=True)
    (folder / "nli" / "made.tsv").write_text(made_rows("A cat sits", 60), encoding="utf-8")
    english = folder / "nli" / "xnli" / "test-en.tsv"
    english.write_text(made_rows("A dog runs", 6), encoding="utf-8")
    german = made_rows("Ein Hund rennt", 6).encode()
    (folder / "nli" / "xnli" / "test-de.tsv.gz").write_bytes(gzip.compress(german))
    return folder


def write_study(folder: Path, text: str, registry: Registry) -> Study:
    (folder / "tiny.toml").write_text(text, encoding="utf-8")
    return read_study(folder / "tiny.toml", registry)


@pytest.fixture
def study(tmp_path: Path, registry: Registry) -> Study:
    return write_study(tmp_path, STUDY, registry)


@pytest.fixture(scope="session")
def mini_digest(registry: Registry) -> str:
    from otx.training.factories import open_encoder

    return open_encoder("mini", registry, load_settings()).digest()


@pytest.fixture(scope="session")
def laboratory(
    tmp_path_factory: pytest.TempPathFactory, data: Path, registry: Registry, mini_digest: str
) -> Any:
    """The tiny study with the cells untouched-s1 and sinkhorn-s1 finished, each computed here."""
    folder = tmp_path_factory.mktemp("laboratory")
    study = write_study(folder, STUDY, registry)
    manifest = draw_material(study, data, folder / "material")
    subject = command.Subject("mini", mini_digest, folder / "material", manifest)

    def jobs(of: Study = study) -> dict[str, Job]:
        found = command.open_jobs(of, registry, subject, device="cpu", scratch=folder / "scratch")
        return {job.name: job for job in found}

    for name, job in jobs().items():
        if name in ("untouched-s1", "sinkhorn-s1"):
            start(job)
    return SimpleNamespace(study=study, folder=folder, jobs=jobs)


def start(job: Job) -> None:
    """Compute a cell in this process."""
    job.write(Path(job.scratch) / "job.json")
    cell.compute(job)


@pytest.fixture(scope="session")
def whole() -> Any:
    """A packed encoder with random weights and a dozen pieces."""
    from otx_encoders.e5_small.packed import BLOCKS, PLAIN, PackedModel, PackedTensor, Shape

    shape = Shape(64, 1, 4, 96, 22, 40, 2, 1e-12)
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *"abcdefgh", "▁ab", "cd", "é", "▁a", "<mask>"]
    scores = np.array([0.0] * 4 + [-4.0] * 9 + [-3.0] * 4 + [0.0], "<f4")
    generator = np.random.default_rng(0)

    def vector(size: int) -> PackedTensor:
        values = generator.standard_normal(size).astype("<f4")
        return PackedTensor(PLAIN, size, memoryview(values.tobytes()))

    def blocks(rows: int, width: int) -> PackedTensor:
        scale = np.float16(0.1).tobytes()
        stored = b"".join(scale + generator.bytes(16) for _ in range(rows * width // 32))
        return PackedTensor(BLOCKS, rows * width, memoryview(stored))

    tensors = {
        "emb.word": blocks(22, 64),
        "emb.pos": vector(40 * 64),
        "emb.type": vector(2 * 64),
        "emb.ln.w": vector(64),
        "emb.ln.b": vector(64),
    }
    sizes = {name: (64, 64) for name in ("q", "k", "v", "ao")} | {"fi": (96, 64), "fo": (64, 96)}
    for name, (rows, width) in sizes.items():
        tensors |= {f"l0.{name}.w": blocks(rows, width), f"l0.{name}.b": vector(rows)}
    for name in ("aln", "oln"):
        tensors |= {f"l0.{name}.w": vector(64), f"l0.{name}.b": vector(64)}
    special = {"bos": 0, "eos": 2, "pad": 1, "unk": 3}
    return PackedModel(shape, pieces, scores, special, {"\u00a0": " "}, tensors)


@pytest.fixture
def build(whole: Any, compiled_map: bytes, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``build_tokenizer`` without compiling the character map each time."""
    from otx_encoders.e5_small import tokenizer

    monkeypatch.setattr(tokenizer, "compile_characters", lambda characters: compiled_map)
    return tokenizer.build_tokenizer


@pytest.fixture(scope="session")
def compiled_map(whole: Any) -> bytes:
    """The character map of ``whole``; it takes seconds."""
    from otx_encoders.e5_small.tokenizer import compile_characters

    return compile_characters(whole.characters)
