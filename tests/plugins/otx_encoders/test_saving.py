"""A saved folder loads with transformers and with otx, and has what Sentence Transformers reads."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions

ARCHITECTURES = [
    "BertModel",
    "XLMRobertaForMaskedLM",
    "DistilBertForMaskedLM",
    "XLMRobertaForQuestionAnswering",
    "BertForSequenceClassification",
]


def opened(folder: Any) -> HuggingFaceEncoder:
    return HuggingFaceEncoder(str(folder), EncoderOptions())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_saving_loses_nothing(
    checkpoint: Any, tmp_path: Path, text: list[str], architecture: str
) -> None:
    first = opened(checkpoint(architecture))
    with torch.no_grad():
        for parameter in first.module.parameters():
            parameter.add_(0.25)
    first.save(tmp_path / "deep" / "model")
    again = opened(tmp_path / "deep" / "model")
    assert again.digest() == first.digest() and again.head_kind == first.head_kind
    assert again.tokenise(text) == first.tokenise(text) and again.notes == []
    old = load_file(checkpoint(architecture) / "model.safetensors")
    new = load_file(tmp_path / "deep" / "model" / "model.safetensors")
    assert new.keys() == old.keys()
    for name, value in new.items():
        assert value.dtype == torch.float32
        assert torch.equal(value, old[name] + 0.25), name


def test_a_saved_folder_loads_with_auto_model(
    checkpoint: Any, tmp_path: Path, text: list[str]
) -> None:
    encoder = opened(checkpoint("XLMRobertaForMaskedLM"))
    encoder.save(tmp_path)
    model = transformers.AutoModel.from_pretrained(tmp_path, dtype="auto").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    batch = tokenizer(text, return_tensors="pt", padding=True, return_token_type_ids=False)
    with torch.no_grad():
        states = model(**batch).last_hidden_state
        own = encoder.encode(encoder.collate(encoder.tokenise(text))).tokens[-1]
    mask = batch["attention_mask"].bool()
    assert states.dtype == torch.float32
    torch.testing.assert_close(states[mask], own[mask], atol=2e-5, rtol=1e-4)


def test_half_precision_is_saved_in_single(copied: Any, tmp_path: Path) -> None:
    folder = copied("BertModel", {"dtype": "float16"})
    half = {name: value.half() for name, value in load_file(folder / "model.safetensors").items()}
    save_file(half, folder / "model.safetensors", {"format": "pt"})
    opened(folder).save(tmp_path / "saved")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert {value.dtype for value in saved.values()} == {torch.float32}
    assert json.loads((tmp_path / "saved" / "config.json").read_text())["dtype"] == "float32"


def test_saving_over_the_folder_it_came_from_is_sound(copied: Any, text: list[str]) -> None:
    folder = copied("BertForMaskedLM")
    encoder = opened(folder)
    before = encoder.digest()
    encoder.save(folder)
    assert encoder.digest() == before == opened(folder).digest()


def test_sentence_transformers_finds_its_files(checkpoint: Any, tmp_path: Path) -> None:
    opened(checkpoint("DistilBertModel")).save(tmp_path)
    modules = json.loads((tmp_path / "modules.json").read_text())
    assert [(m["idx"], m["path"], m["type"].rpartition(".")[2]) for m in modules] == [
        (0, "", "Transformer"),
        (1, "1_Pooling", "Pooling"),
    ]
    pooling = json.loads((tmp_path / "1_Pooling" / "config.json").read_text())
    assert pooling["word_embedding_dimension"] == 32
    assert [key for key, value in pooling.items() if value is True] == ["pooling_mode_mean_tokens"]
    settings = json.loads((tmp_path / "sentence_bert_config.json").read_text())
    assert settings == {"max_seq_length": 64, "do_lower_case": False}


def test_nothing_is_written_to_the_screen(checkpoint: Any, tmp_path: Path, capfd: Any) -> None:
    folder = checkpoint("BertForTokenClassification")
    capfd.readouterr()
    bars = transformers.logging.is_progress_bar_enabled()
    opened(folder).save(tmp_path)
    assert capfd.readouterr() == ("", "")
    assert transformers.logging.is_progress_bar_enabled() == bars


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("config.json", "hidden_act", "relu"),
        ("config.json", "attention_probs_dropout_prob", 0.4),
        ("config.json", "id2label", {"0": "neutral", "1": "entailment"}),
        ("tokenizer_config.json", "model_max_length", 17),
    ],
)
def test_the_digest_tells_what_the_weights_do_not(
    copied: Any, file: str, key: str, value: Any
) -> None:
    folder = copied("BertModel")
    before = opened(folder).digest()
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**content, "_name_or_path": "elsewhere"}))
    assert opened(folder).digest() == before
    (folder / file).write_text(json.dumps({**content, key: value}))
    assert opened(folder).digest() != before


def test_the_digest_tells_weights_and_tokenizers_apart(checkpoint: Any, copied: Any) -> None:
    encoder = opened(checkpoint("BertModel"))
    before = encoder.digest()
    encoder.tokenizer(["a b", "c"], padding=True, truncation=True, max_length=4)
    assert encoder.digest() == before == opened(checkpoint("BertModel")).digest()
    bias = next(iter(encoder.module.parameters()))
    with torch.no_grad():
        bias[0, 0] = torch.nextafter(bias[0, 0], torch.tensor(9.0))
    assert encoder.digest() != before
    folder = copied("BertModel")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["tokenize_chinese_chars"] = False
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    assert opened(folder).digest() != before


@pytest.mark.parametrize("architecture", ["BertModel", "XLMRobertaForMaskedLM"])
def test_the_digest_is_that_of_weights_and_one_json_list(
    checkpoint: Any, architecture: str
) -> None:
    """Results are found by it, so it must stay what it was; here it is computed in the plain way."""
    encoder = opened(checkpoint(architecture))
    content = hashlib.sha256()
    for name, tensor in sorted(encoder.module.state_dict().items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        content.update(tensor.numpy().tobytes())
    rules = json.loads(encoder.tokenizer.backend_tokenizer.to_str())
    rules |= {"truncation": None, "padding": None}
    past = {"_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype"}
    config: Any = encoder.module.config
    behaviour = {key: value for key, value in config.to_dict().items() if key not in past}
    parts = [rules, encoder.tokenizer.model_max_length, behaviour]
    content.update(json.dumps(parts, sort_keys=True, default=str).encode())
    assert encoder.digest() == content.hexdigest()
