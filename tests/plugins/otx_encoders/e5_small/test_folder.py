from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from otx.errors import DataError
from otx_encoders.e5_small.folder import write_folder
from otx_encoders.e5_small.packed import PackedModel, PackedTensor
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions

pytest.importorskip("sentencepiece", reason="sentencepiece (otx[e5]) is not installed")
pytestmark = pytest.mark.usefixtures("compiled_once")


def forward(model: PackedModel, ids: list[int]) -> np.ndarray:
    """BERT's last states ``[T, D]`` of one sequence, written out from Devlin et al. (2019) in numpy."""
    shape = model.shape

    def weight(name: str, *size: int) -> np.ndarray:
        return model.tensors[name].unpack().astype(np.float64).reshape(size)

    def linear(x: np.ndarray, name: str, rows: int) -> np.ndarray:
        return x @ weight(f"{name}.w", rows, x.shape[1]).T + weight(f"{name}.b", rows)

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        x = x - x.mean(1, keepdims=True)
        x = x / np.sqrt((x**2).mean(1, keepdims=True) + shape.epsilon)
        return x * weight(f"{name}.w", x.shape[1]) + weight(f"{name}.b", x.shape[1])

    d, heads = shape.hidden, shape.heads
    x = weight("emb.word", shape.vocabulary, d)[ids]
    x = (
        x
        + weight("emb.pos", shape.positions, d)[: len(ids)]
        + weight("emb.type", shape.types, d)[0]
    )
    x = norm(x, "emb.ln")
    for i in range(shape.layers):
        q, k, v = (
            linear(x, f"l{i}.{name}", d).reshape(len(ids), heads, -1).swapaxes(0, 1)
            for name in "qkv"
        )
        scores = q @ k.swapaxes(1, 2) / np.sqrt(d / heads)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True)) @ v
        mixed = mixed.swapaxes(0, 1).reshape(len(ids), d)
        x = norm(x + linear(mixed, f"l{i}.ao", d), f"l{i}.aln")
        inner = torch.from_numpy(linear(x, f"l{i}.fi", shape.inner))
        inner = torch.nn.functional.gelu(inner).numpy()
        x = norm(x + linear(inner, f"l{i}.fo", d), f"l{i}.oln")
    return x


def test_the_folder_computes_what_the_packed_weights_say(
    packed: PackedModel, tmp_path: Path
) -> None:
    write_folder(packed, tmp_path, "made here")
    model = transformers.AutoModel.from_pretrained(tmp_path, add_pooling_layer=False).eval()
    ids = [0, 4, 5, 12, 7, 2]
    with torch.no_grad():
        states = model(torch.tensor([ids])).last_hidden_state[0]
    np.testing.assert_allclose(states.numpy(), forward(packed, ids), atol=2e-5)


def test_otx_loads_the_folder(packed: PackedModel, tmp_path: Path) -> None:
    write_folder(packed, tmp_path, "made here")
    encoder = HuggingFaceEncoder(str(tmp_path), EncoderOptions())
    assert encoder.max_length == packed.shape.positions
    assert encoder.tokenise(["ab cd"])[0].ids == [0, 13, 4, 14, 2]
    assert encoder.tokenizer.pad_token_id == 1
    assert (tmp_path / "README.md").read_text() == "made here"


def test_a_missing_tensor_is_named(packed: PackedModel, tmp_path: Path) -> None:
    tensors = {name: tensor for name, tensor in packed.tensors.items() if name != "l1.fi.w"}
    with pytest.raises(DataError, match=r"no tensor l1\.fi\.w"):
        write_folder(replace(packed, tensors=tensors), tmp_path, "")


def test_a_tensor_of_another_size_is_named(packed: PackedModel, tmp_path: Path) -> None:
    short = PackedTensor(0, 3, memoryview(b"\0" * 12))
    with pytest.raises(DataError, match=r"l0\.q\.b has 3 weights"):
        write_folder(replace(packed, tensors={**packed.tensors, "l0.q.b": short}), tmp_path, "")
