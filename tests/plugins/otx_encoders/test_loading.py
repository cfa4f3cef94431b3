"""Loading: precision, missing and unused weights, frozen layers, lengths."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from otx.config.validation import SettingError
from otx.errors import DataError, UsageError
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.model_io import load_model, max_positions
from otx_encoders.options import EncoderOptions

FAMILIES = ["Bert", "XLMRoberta", "DistilBert"]


def change_weights(folder: Path, change: Any) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(change(weights), folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_loaded_in_single_with_the_stored_values(
    copied: Any, half: torch.dtype
) -> None:
    folder = copied("BertModel", {"dtype": str(half).removeprefix("torch.")})
    change_weights(folder, lambda w: {name: value.to(half) for name, value in w.items()})
    model, _, _ = load_model(folder, "it")
    stored = load_file(folder / "model.safetensors")
    for name, value in model.state_dict().items():
        assert value.dtype == torch.float32 and stored[name].dtype == half
        assert torch.equal(value, stored[name].float())


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [
        ("BertModel", None),
        ("DistilBertForMaskedLM", "masked-lm"),
        ("XLMRobertaForQuestionAnswering", "question-answering"),
        ("BertForSequenceClassification", "sequence-classification"),
        ("BertForTokenClassification", "token-classification"),
        ("BertForMultipleChoice", None),
    ],
)
def test_the_head_that_the_configuration_names_is_loaded(
    checkpoint: Any, architecture: str, kind: str | None
) -> None:
    model, found, notes = load_model(checkpoint(architecture), "it")
    assert found == kind and not model.training
    stored = load_file(checkpoint(architecture) / "model.safetensors")
    if "Choice" in architecture:
        assert (
            len(notes) == 1 and "2 tensors of the checkpoint are not used: classifier" in notes[0]
        )
    else:
        assert notes == [] and type(model).__name__ == architecture
        own = model.state_dict()
        assert all(torch.equal(own[name], value) for name, value in stored.items())


def test_missing_weights_are_refused_and_not_drawn_at_random(copied: Any) -> None:
    folder = copied("BertModel")
    gone = "encoder.layer.1.output.dense.weight"
    change_weights(folder, lambda w: {name: value for name, value in w.items() if name != gone})
    with pytest.raises(DataError, match=rf"1 tensors are missing from the weights: {gone}"):
        load_model(folder, "it")


def test_a_head_that_is_named_but_not_there_is_refused(copied: Any) -> None:
    folder = copied("BertModel", {"architectures": ["BertForQuestionAnswering"]})
    with pytest.raises(DataError, match=r"missing from the weights: qa_outputs"):
        load_model(folder, "it")


def test_a_missing_pooler_is_left_out(copied: Any) -> None:
    folder = copied("BertForMaskedLM", {"architectures": ["BertModel"]})
    first, _, notes = load_model(folder, "it")
    assert first.pooler is None and "cls.predictions" in notes[0]
    whole = HuggingFaceEncoder(str(folder), EncoderOptions())
    assert whole.digest() == HuggingFaceEncoder(str(folder), EncoderOptions()).digest()
    batch = whole.collate(whole.tokenise(["The fox"]))
    assert whole.encode(batch).tokens[-1].shape == (1, batch.ids.shape[1], whole.dimension)


def test_what_transformers_cannot_load_is_named(copied: Any) -> None:
    folder = copied("BertModel", {"model_type": "unheard-of"})
    with pytest.raises(DataError, match=r"it: cannot be loaded: .*unheard-of"):
        load_model(folder, "it")


def test_weights_of_another_shape_are_refused(copied: Any) -> None:
    with pytest.raises(DataError, match="cannot be loaded"):
        load_model(copied("BertModel", {"intermediate_size": 50}), "it")


def test_a_model_with_a_decoder_is_refused(tmp_path: Path) -> None:
    config = transformers.BartConfig(
        vocab_size=20, d_model=8, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=8, decoder_ffn_dim=8, max_position_embeddings=16,
    )  # fmt: skip
    transformers.BartModel(config).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="bart has a decoder"):
        load_model(tmp_path, "it")


T5 = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}


@pytest.mark.parametrize(
    "architecture",
    [
        "T5EncoderModel",
        "MT5EncoderModel",
        "UMT5EncoderModel",
        "T5Model",
        "MT5ForConditionalGeneration",
    ],
)
def test_the_encoder_of_t5_is_loaded_alone(tmp_path: Path, architecture: str, unigram: Any) -> None:
    family = architecture.partition("T5")[0] + "T5"
    config = getattr(transformers, f"{family}Config")(vocab_size=len(unigram), **T5)
    whole = getattr(transformers, architecture)(config)
    whole.save_pretrained(tmp_path)
    unigram.save_pretrained(tmp_path)
    encoder = HuggingFaceEncoder(str(tmp_path), EncoderOptions())
    assert type(encoder.module).__name__ == f"{family}EncoderModel"
    assert (encoder.dimension, encoder.layers) == (32, 2)
    assert not any("causal" in note for note in encoder.notes)
    assert any("decoder is not" in note for note in encoder.notes) == (
        "Encoder" not in architecture
    )
    batch = encoder.collate(encoder.tokenise(["the fox", "a river bank"]))
    vectors = encoder.encode(batch, (0, 1, -1)).tokens
    expected = whole.eval().encoder(batch.ids, attention_mask=batch.mask.long()).last_hidden_state
    assert torch.equal(vectors[-1][batch.mask], expected[batch.mask])
    encoder.save(tmp_path / "saved")
    again = HuggingFaceEncoder(str(tmp_path / "saved"), EncoderOptions())
    assert torch.equal(again.encode(batch).tokens[-1], vectors[-1])
    with pytest.raises(UsageError, match="no head for sequence-classification"):
        encoder.fresh_head("sequence-classification", ["yes", "no"])


@pytest.mark.parametrize(
    ("architecture", "causal"),
    [("BertModel", False), ("XLMRobertaForMaskedLM", False), ("GPT2Model", True)],
)
def test_a_causal_model_is_noted(
    checkpoint: Any, tmp_path: Path, architecture: str, causal: bool
) -> None:
    if causal:
        config = transformers.GPT2Config(
            vocab_size=20, n_embd=8, n_layer=1, n_head=2, n_positions=16
        )
        transformers.GPT2Model(config).save_pretrained(tmp_path)
    _, _, notes = load_model(tmp_path if causal else checkpoint(architecture), "it")
    assert any("causal" in note for note in notes) == causal


def test_a_model_that_cannot_run_is_refused_when_it_is_loaded(
    checkpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("no such operator\nat line 3")

    monkeypatch.setattr(transformers.BertModel, "forward", fail)
    with pytest.raises(DataError, match="it: cannot encode a text: no such operator"):
        load_model(checkpoint("BertModel"), "it")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_sequence_is_what_the_model_can_take(checkpoint: Any, family: str) -> None:
    model = transformers.AutoModel.from_pretrained(checkpoint(f"{family}Model")).eval()
    longest = max_positions(model)
    assert longest == 64
    with torch.no_grad():
        model(torch.full((1, longest), 7))
        with pytest.raises((IndexError, RuntimeError)):
            model(torch.full((1, longest + 1), 7))


def test_max_length_is_the_least_of_the_limits(copied: Any) -> None:
    folder = copied("BertModel")
    assert HuggingFaceEncoder(str(folder), EncoderOptions()).max_length == 64
    assert HuggingFaceEncoder(str(folder), EncoderOptions(max_length=20)).max_length == 20
    assert HuggingFaceEncoder(str(folder), EncoderOptions(max_length=900)).max_length == 64
    content = json.loads((folder / "tokenizer_config.json").read_text())
    for said, limit in ((48, 48), (int(1e30), 64)):
        content["model_max_length"] = said
        (folder / "tokenizer_config.json").write_text(json.dumps(content))
        assert HuggingFaceEncoder(str(folder), EncoderOptions()).max_length == limit


def test_lengths_that_leave_no_room_are_refused(checkpoint: Any) -> None:
    with pytest.raises(UsageError, match="max_length is 2, of which special tokens take 2"):
        HuggingFaceEncoder(str(checkpoint("BertModel")), EncoderOptions(max_length=2))
    with pytest.raises(SettingError, match="must be above 0, not 0") as caught:
        EncoderOptions(max_length=0)
    assert caught.value.field == "max_length"
