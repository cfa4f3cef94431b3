"""``mini`` is the encoder in our package's own folder, stored in half precision."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file

from otx.errors import DataError
from otx_encoders import mini
from otx_encoders.mini import MiniEncoder
from otx_encoders.options import EncoderOptions
from tests.tiny import xlmr_config


@pytest.fixture
def stored(unigram: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like the one that scripts/pretrain_mini.py exports, smaller, in the package's stead."""
    torch.manual_seed(0)
    config = xlmr_config(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=386,
    )
    transformers.XLMRobertaForMaskedLM(config).half().save_pretrained(tmp_path)
    unigram.model_max_length = 384
    unigram.save_pretrained(tmp_path)
    unigram.model_max_length = 64
    monkeypatch.setattr(mini, "FOLDER", tmp_path)
    return tmp_path


def test_mini_is_single_precision_with_a_masked_lm_head(stored: Path, text: list[str]) -> None:
    encoder = MiniEncoder("mini", EncoderOptions())
    assert (encoder.reference, encoder.dimension, encoder.layers) == ("mini", 16, 2)
    assert encoder.max_length == 384 and encoder.notes == []
    assert {p.dtype for p in encoder.module.parameters()} == {torch.float32}
    kept = {value.dtype for value in load_file(stored / "model.safetensors").values()}
    assert kept == {torch.float16}
    batch = encoder.collate(encoder.tokenise([*text, "fox " * 500]))
    assert 380 < batch.ids.shape[1] <= 384
    assert encoder.masked_logits(batch, batch.word_index == 0).shape[1] == 400


def test_options_hold_for_mini(stored: Path) -> None:
    encoder = MiniEncoder("mini", EncoderOptions(max_length=9))
    assert encoder.max_length == 9


def test_a_missing_folder_is_said_plainly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mini, "FOLDER", tmp_path / "mini")
    with pytest.raises(DataError, match="mini: no such folder"):
        MiniEncoder("mini", EncoderOptions())


def test_the_embedded_encoder_is_whole_small_and_reads_its_languages() -> None:
    encoder = MiniEncoder("mini", EncoderOptions())
    assert sum(parameter.numel() for parameter in encoder.module.parameters()) <= 7_500_000
    assert sum(file.stat().st_size for file in mini.FOLDER.iterdir()) <= 16 * 2**20
    assert encoder.max_length == 384 and encoder.notes == []
    rows = encoder.tokenise(
        [
            "The river is wide.",
            "Über die Brücke fährt ein Zug.",
            "El niño comió mañana.",
            "L'été dernier, ça m'a plu.",
            "Ещё один ёж нашёл чай.",
            "河边有一只狐狸。",
            "ذهب الولد إلى المدرسة",
            "İstanbul'da güneş ışığı çok.",
        ]
    )
    assert not any(encoder.tokenizer.unk_token_id in row.ids for row in rows)
    with torch.no_grad():
        batch = encoder.collate(rows)
        guesses = encoder.masked_logits(batch, batch.word_index >= 0).argmax(-1)
    # A trained masked-LM head mostly repeats what it is shown; a random one never does.
    assert float((guesses == batch.ids[batch.word_index >= 0]).float().mean()) > 0.5
