"""A small packed encoder made here, with random weights."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from otx_encoders.e5_small import tokenizer
from otx_encoders.e5_small.packed import BLOCKS, PLAIN, PackedModel, PackedTensor, Shape

SHAPE = Shape(64, 2, 4, 96, 48, 40, 2, 1e-12)
PIECES = ["<s>", "<pad>", "</s>", "<unk>", *"▁abcdefgh", "▁ab", "cd", "é", "<mask>"]
SPECIAL = {"bos": 0, "eos": 2, "pad": 1, "unk": 3}
CHARACTERS = {"\u00a0": " ", "\u200d": " ", "ﬁ": "fi", "\x01": ""}


def random_blocks(rows: int, width: int, generator: np.random.Generator) -> PackedTensor:
    """Blocks of 32 weights along the input, each a float16 scale and 16 bytes."""
    data = b"".join(
        struct.pack("<e", generator.uniform(0.01, 0.05)) + generator.bytes(16)
        for _ in range(rows * width // 32)
    )
    return PackedTensor(BLOCKS, rows * width, memoryview(data))


def plain(values: np.ndarray) -> PackedTensor:
    return PackedTensor(PLAIN, values.size, memoryview(values.astype("<f4").tobytes()))


@pytest.fixture
def packed() -> PackedModel:
    generator = np.random.default_rng(0)
    hidden, inner = SHAPE.hidden, SHAPE.inner

    def vector(size: int, mean: float) -> PackedTensor:
        return plain(mean + 0.1 * generator.standard_normal(size))

    tensors = {
        "emb.word": random_blocks(SHAPE.vocabulary, hidden, generator),
        "emb.pos": vector(SHAPE.positions * hidden, 0),
        "emb.type": vector(SHAPE.types * hidden, 0),
        "emb.ln.w": vector(hidden, 1),
        "emb.ln.b": vector(hidden, 0),
    }
    for layer in range(SHAPE.layers):
        for name, rows, width in (
            ("q", hidden, hidden),
            ("k", hidden, hidden),
            ("v", hidden, hidden),
            ("ao", hidden, hidden),
            ("fi", inner, hidden),
            ("fo", hidden, inner),
        ):
            tensors[f"l{layer}.{name}.w"] = random_blocks(rows, width, generator)
            tensors[f"l{layer}.{name}.b"] = vector(rows, 0)
        for name in ("aln", "oln"):
            tensors[f"l{layer}.{name}.w"] = vector(hidden, 1)
            tensors[f"l{layer}.{name}.b"] = vector(hidden, 0)
    scores = np.array([0.0] * 4 + [-2.0] * (len(PIECES) - 5) + [0.0])
    return PackedModel(SHAPE, PIECES, scores.astype("<f4"), SPECIAL, CHARACTERS, tensors)


@pytest.fixture(scope="session")
def compiled() -> bytes:
    """``CHARACTERS`` compiled; it takes seconds."""
    return tokenizer.compile_characters(CHARACTERS)


@pytest.fixture
def compiled_once(compiled: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """No further compilation of the same character map."""
    monkeypatch.setattr(tokenizer, "compile_characters", lambda characters: compiled)
