from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from otx.data import inference
from otx.data.inference import (
    batches_of_tokens,
    by_length,
    encode_texts,
    reading,
    sentence_vectors,
)
from otx.types import TokenRow
from otx_encoders.mini import MiniEncoder
from otx_encoders.options import EncoderOptions


def test_reading_restores_the_mode_even_after_an_error() -> None:
    encoder: Any = SimpleNamespace(module=nn.Linear(1, 1))
    encoder.module.train()
    with pytest.raises(RuntimeError), reading(encoder):
        assert not encoder.module.training
        assert not torch.is_grad_enabled()
        raise RuntimeError
    assert encoder.module.training
    assert torch.is_grad_enabled()


def test_every_row_once_in_order_of_length() -> None:
    rows = [TokenRow([0] * n, [0] * n, n, 0) for n in (5, 1, 4, 2, 3)]
    assert list(by_length(rows, 2)) == [[1, 3], [4, 2], [0]]


@pytest.mark.parametrize("tokens", [1, 7, 20, 1000])
def test_batches_of_tokens_hold_each_item_once_and_no_more_than_they_may(tokens: int) -> None:
    lengths = np.random.default_rng(tokens).integers(0, 12, size=50)
    batches = [*batches_of_tokens(lengths, tokens)]
    assert sorted(np.concatenate(batches).tolist()) == [*range(50)]
    for batch in batches:
        assert len(batch) == 1 or lengths[batch].max() * len(batch) <= tokens
    longest = [lengths[batch].max() for batch in batches]
    assert longest == sorted(longest, reverse=True)
    assert [*batches_of_tokens(lengths[:0], tokens)] == []


def test_texts_in_chunks_and_in_a_file_have_the_vectors_of_all_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    encoder = MiniEncoder("mini", EncoderOptions(max_length=8))
    texts = ["one", "two words", "a sentence that is longer than the limit of it", "", "last"]
    with reading(encoder):
        rows = encoder.tokenise(texts)
        expected = sentence_vectors(encoder, rows, -1, 2)
        monkeypatch.setattr(inference, "CHUNK", 2)
        monkeypatch.setattr(inference, "IN_MEMORY", 1)
        vectors, cut = encode_texts(encoder, texts, -1, 2)
    torch.testing.assert_close(vectors, expected, atol=1e-5, rtol=1e-5)
    assert cut == [row.cut for row in rows] and cut[2] > 0
    # The file has no name any more.
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_file()]
