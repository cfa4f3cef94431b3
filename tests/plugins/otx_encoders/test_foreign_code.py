"""Configurations that fetch or run code are refused by file and key, before transformers sees them."""

import json
from pathlib import Path
from typing import Any

import pytest

from otx.errors import DataError
from otx_encoders.checkpoint import check_folder


def model_folder(folder: Path, content: Any, name: str = "config.json") -> Path:
    (folder / "model.safetensors").touch()
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


REFUSED: list[dict[str, Any]] = [
    {"auto_map": {"AutoModel": "modeling.Model"}},
    {"configuration_files": ["config.4.0.0.json"]},
    {"text_config": {"auto_map": {"AutoConfig": "some/repo--configuration.Config"}}},
    {"_attn_implementation": "some-org/kernel"},
    {"attn_implementation": "kernels-community/flash-attn2"},
    {"_attn_implementation_internal": "some-org/kernel@main:attention"},
    {"attn_implementation": {"": "sdpa", "text_config": "some-org/kernel"}},
    {"attn_implementation": "flash_attention_2"},
    {"parts": [{"encoder": {"_attn_implementation": "some-org/kernel"}}]},
    {"experts_implementation": "some-org/kernel"},
    {"quantization_config": {"quant_method": "mxfp4"}},
    {"compression_config": {"format": "x"}},
    {"transformers_weights": "adapter_model.bin"},
    {"backbone": "some-org/backbone", "use_timm_backbone": True},
    {"model_type": "yoso"},
]


@pytest.mark.parametrize("content", REFUSED, ids=json.dumps)
def test_keys_that_fetch_code_are_refused_by_name(tmp_path: Path, content: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"it: config\.json") as caught:
        check_folder(model_folder(tmp_path, content), "it")
    assert caught.value.remedy is not None and "trust_remote_code" not in str(caught.value)


def test_quantised_weights_are_not_blamed_on_the_architecture(tmp_path: Path) -> None:
    content = {"quantization_config": {"quant_method": "bitsandbytes"}}
    with pytest.raises(DataError) as caught:
        check_folder(model_folder(tmp_path, content), "it")
    assert caught.value.remedy is not None
    assert "plain weights" in caught.value.remedy and "architecture" not in caught.value.remedy


@pytest.mark.parametrize(
    "content",
    [
        {"_attn_implementation": "sdpa"},
        {"attn_implementation": {"": "eager", "text_config": None}},
        {"auto_map": {}, "quantization_config": None},
        {"label2id": {"backbone": 1, "auto_map": 2}},
        {"_name_or_path": "some-org/some-model"},
    ],
)
def test_what_fetches_nothing_is_let_through(tmp_path: Path, content: dict[str, Any]) -> None:
    check_folder(model_folder(tmp_path, {"model_type": "bert", **content}), "it")


@pytest.mark.parametrize("name", ["tokenizer_config.json", "processor_config.json"])
def test_other_configurations_are_read_too(tmp_path: Path, name: str) -> None:
    content = {"auto_map": {"AutoTokenizer": ["tokenization.T", None]}}
    with pytest.raises(DataError, match=f"it: {name} asks to run code"):
        check_folder(model_folder(tmp_path, content, name), "it")


def test_an_adapter_is_refused(tmp_path: Path) -> None:
    content = {"base_model_name_or_path": "some-org/some-model"}
    with pytest.raises(DataError, match="an adapter of another model"):
        check_folder(model_folder(tmp_path, content, "adapter_config.json"), "it")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[]", "{", '{"a": ' + "9" * 5000 + "}", '{"a":' * 900 + "1" + "}" * 900]
)
def test_odd_json_ends_in_its_own_error_or_none(tmp_path: Path, text: str) -> None:
    folder = model_folder(tmp_path, text)
    if text.startswith('{"a":{'):
        return check_folder(folder, "it")
    with pytest.raises(DataError, match=r"config\.json"):
        check_folder(folder, "it")
