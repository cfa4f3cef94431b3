"""An encoder that cannot encode is refused before a run begins, and by a dry run."""

from pathlib import Path
from typing import Any

import pytest
import torch

from otx.errors import DataError, UsageError
from otx.training.trial import try_encoder
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions


@pytest.fixture
def encoder(tiny_model: Path) -> HuggingFaceEncoder:
    return HuggingFaceEncoder(str(tiny_model), EncoderOptions())


def test_a_sound_encoder_stays_as_it_is(encoder: HuggingFaceEncoder) -> None:
    encoder.module.train()
    try_encoder(encoder, -1)
    assert encoder.module.training


def test_vectors_that_are_not_finite_are_refused(encoder: HuggingFaceEncoder) -> None:
    with torch.no_grad():
        for parameter in encoder.module.parameters():
            parameter.fill_(torch.nan)
    with pytest.raises(DataError, match="not finite"):
        try_encoder(encoder, -1)


def test_a_layer_that_is_not_there_is_the_encoders_own_error(encoder: HuggingFaceEncoder) -> None:
    with pytest.raises(UsageError, match="has no layer 7"):
        try_encoder(encoder, 7)


@pytest.mark.parametrize("extra", [["--dry-run"], []])
def test_a_dry_run_finds_an_encoder_that_cannot_run(
    align: Any, extra: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise IndexError("index out of range")

    monkeypatch.setattr(HuggingFaceEncoder, "encode", fail)
    assert align("--run", "r", *extra) == 3
    assert "cannot encode 'a b': IndexError: 'index out of range'" in capfd.readouterr().err
    assert not Path("runs").exists()
