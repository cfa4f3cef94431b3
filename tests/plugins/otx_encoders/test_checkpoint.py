"""What is refused before anything is loaded: pickles, remote code, folders that are not whole, models out of reach."""

import json
import pickle
import socket
import time
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from otx.errors import DataError
from otx_encoders.checkpoint import first_line, locate
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions


class Malice:
    """Unpickling this makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth"])
def test_a_pickle_is_refused_and_never_read(copied: Any, tmp_path: Path, name: str) -> None:
    folder, mark = copied("BertModel"), tmp_path / "ran"
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Malice(mark)))
    with pytest.raises(DataError, match=rf"pickle \({name}\).*safetensors only.*save_pretrained"):
        HuggingFaceEncoder(str(folder), EncoderOptions())
    assert not mark.exists()
    pickle.loads((folder / name).read_bytes())
    assert mark.exists()


def test_a_pickle_does_not_stand_in_for_damaged_safetensors(copied: Any, tmp_path: Path) -> None:
    folder, mark = copied("BertModel"), tmp_path / "ran"
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Malice(mark)))
    with pytest.raises(DataError, match="BertModel: cannot be loaded"):
        HuggingFaceEncoder(str(folder), EncoderOptions())
    assert not mark.exists()


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_model_with_code_of_its_own_is_refused(copied: Any, tmp_path: Path, file: str) -> None:
    folder, mark = copied("BertModel"), tmp_path / "ran"
    (folder / "modeling_own.py").write_text(f"open({str(mark)!r}, 'w')\n")
    content = json.loads((folder / file).read_text())
    content["auto_map"] = {
        "AutoModel": "modeling_own.Own",
        "AutoTokenizer": ["modeling_own.T", None],
    }
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf"{file} asks to run code .*never runs it"):
        HuggingFaceEncoder(str(folder), EncoderOptions())
    assert not mark.exists()


def test_folders_that_are_not_whole_are_refused_by_what_they_lack(copied: Any) -> None:
    folder = copied("BertModel")
    weights = folder / "model.safetensors"
    kept = weights.read_bytes()
    weights.unlink()
    with pytest.raises(DataError, match=r"no model\.safetensors"):
        locate(str(folder))
    index = folder / "model.safetensors.index.json"
    index.write_text(
        json.dumps({"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors"}})
    )
    (folder / "part-1.safetensors").write_bytes(kept)
    with pytest.raises(DataError, match=r"names part-2\.safetensors, which does not exist"):
        locate(str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(DataError, match=r"config\.json: not JSON"):
        locate(str(folder))
    (folder / "config.json").unlink()
    with pytest.raises(DataError, match=r"no config\.json"):
        locate(str(folder))


def test_paths_that_lead_nowhere_are_no_hub_models(tmp_path: Path, offline: None) -> None:
    for reference in (str(tmp_path / "gone"), "./gone", "../gone", "a/b/c", "two words"):
        with pytest.raises(DataError, match="no such folder"):
            locate(reference)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="give the folder that contains it"):
        locate(str(tmp_path / "file"))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network, and an empty Hub cache in tmp_path."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("the network is not to be used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.parametrize("reference", ["xlm-roberta-base", "some-org/some-model"])
def test_a_hub_model_out_of_reach_is_named_at_once(offline: None, reference: str) -> None:
    began = time.perf_counter()
    with pytest.raises(
        DataError, match=rf"{reference}: not in the .* cache.*`hf download {reference}`"
    ):
        locate(reference)
    assert time.perf_counter() - began < 5


def test_a_cached_hub_model_needs_no_network(
    checkpoint: Any, tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = "0123456789abcdef0123456789abcdef01234567"
    store = tmp_path / "hub" / "models--some-org--some-model"
    snapshot = store / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text(revision)
    for file in checkpoint("BertModel").iterdir():
        (snapshot / file.name).write_bytes(file.read_bytes())
    opened: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda *args: opened.append(args))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **_: opened.append(args))
    assert locate("some-org/some-model") == snapshot
    encoder = HuggingFaceEncoder("some-org/some-model", EncoderOptions())
    assert (
        encoder.digest()
        == HuggingFaceEncoder(str(checkpoint("BertModel")), EncoderOptions()).digest()
    )
    assert encoder.reference == "some-org/some-model" and not opened
    # Half a download is no model: it is fetched again, which here fails.
    (snapshot / "model.safetensors").rename(snapshot / "part-1.safetensors")
    shards = {"a": "part-1.safetensors", "b": "part-2.safetensors"}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(DataError, match="not in the Hugging Face cache"):
        locate("some-org/some-model")


def shard(folder: Path, name: str) -> None:
    """Write an index that names one file for every tensor."""
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as file:
        names = [*file.keys()]
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(names, name)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "name",
    ["pytorch_model-1.bin", "../outside.bin", "../outside.safetensors", "sub/part.safetensors", "..",
     "/tmp/part.safetensors", "..\\part.safetensors", "part.SAFETENSORS", "a\x00.safetensors", ""],
)  # fmt: skip
def test_an_index_names_safetensors_of_its_folder_alone(
    copied: Any, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied("BertModel")
    shard(folder, name)
    weights = folder / "model.safetensors"
    for place in ("pytorch_model-1.bin", "../outside.bin", "../outside.safetensors"):
        (folder / place).write_bytes(weights.read_bytes())
    weights.unlink()
    monkeypatch.setattr("torch.load", lambda *_, **__: pytest.fail("a pickle was read"))
    with pytest.raises(DataError, match=r"index\.json names"):
        HuggingFaceEncoder(str(folder), EncoderOptions())


@pytest.mark.parametrize("index", [[], {}, {"weight_map": []}, {"weight_map": {"a": 3}}])
def test_an_index_of_another_form_is_named(copied: Any, index: Any) -> None:
    folder = copied("BertModel")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=r"model\.safetensors\.index\.json"):
        locate(str(folder))


def test_a_link_out_of_a_folder_is_refused_and_one_to_the_blobs_of_the_cache_is_not(
    copied: Any, tmp_path: Path
) -> None:
    folder = copied("BertModel")
    shard(folder, "part.safetensors")
    store = tmp_path / "models--some--model"
    (store / "blobs").mkdir(parents=True)
    (folder / "model.safetensors").rename(store / "blobs" / "0123")
    (folder / "part.safetensors").symlink_to(store / "blobs" / "0123")
    with pytest.raises(DataError, match="a link out of the folder"):
        locate(str(folder))
    (store / "snapshots").mkdir()
    snapshot = folder.rename(store / "snapshots" / "abc")
    (snapshot / "part.safetensors").unlink()
    (snapshot / "part.safetensors").symlink_to("../../blobs/0123")
    assert locate(str(snapshot)) == snapshot
    assert HuggingFaceEncoder(str(snapshot), EncoderOptions()).layers == 3
    (snapshot / "part.safetensors").unlink()
    outside = tmp_path / "outside.safetensors"
    (store / "blobs" / "0123").rename(outside)
    (snapshot / "part.safetensors").symlink_to(outside)
    with pytest.raises(DataError, match="a link out of the folder"):
        locate(str(snapshot))


def test_no_advice_to_run_foreign_code_is_repeated() -> None:
    for advice in (
        "Weights only load failed.\nIn PyTorch 2.6 we changed the default value of the `weights_only` argument",
        "Loading it requires you to execute the configuration file. Set the option `trust_remote_code=True`",
    ):
        line = first_line(ValueError(advice))
        assert "weights_only" not in line and "trust_remote_code" not in line
        assert "otx never does" in line
    assert first_line(ValueError("one\ntwo")) == "one"
    assert len(first_line(ValueError("x" * 300_000))) < 300
