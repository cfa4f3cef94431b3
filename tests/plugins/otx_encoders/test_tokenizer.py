"""Tokenizers that cannot be used are refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from otx.errors import DataError, UsageError
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions
from otx_encoders.tokenisation import load_tokenizer


def test_a_slow_tokenizer_is_refused(tmp_path: Path) -> None:
    transformers.ByT5Tokenizer().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="my-model: ByT5Tokenizer is slow and gives no character"):
        load_tokenizer(tmp_path, "my-model")


def test_a_folder_without_tokenizer_is_refused(copied: Any) -> None:
    folder = copied("BertModel")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(DataError, match="BertModel: no tokenizer"):
        HuggingFaceEncoder(str(folder), EncoderOptions())


def test_a_tokenizer_without_padding_is_refused(cased: Any, tmp_path: Path) -> None:
    transformers.PreTrainedTokenizerFast(tokenizer_object=cased.backend_tokenizer).save_pretrained(
        tmp_path
    )
    with pytest.raises(DataError, match="it: the tokenizer has no padding token"):
        load_tokenizer(tmp_path, "it")


def test_a_misread_checkpoint_is_refused_and_an_uncased_one_noted(
    copied: Any, misread: Any, uncased: Any
) -> None:
    folder = copied("BertModel")
    misread.save_pretrained(folder)
    with pytest.raises(DataError, match=r"lower-cases .*set do_lower_case to false"):
        HuggingFaceEncoder(str(folder), EncoderOptions())
    uncased.save_pretrained(folder)
    assert json.loads((folder / "tokenizer_config.json").read_text())["do_lower_case"] is True
    notes = HuggingFaceEncoder(str(folder), EncoderOptions()).notes
    assert notes[0].startswith("the tokenizer lower-cases") and len(notes) == 2


def test_a_tokenizer_of_another_model_is_refused(copied: Any, cased: Any) -> None:
    folder = copied("BertModel")
    cased.save_pretrained(folder)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"]["beyond"] = 400
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="numbered beyond the model's 400 embeddings"):
        HuggingFaceEncoder(str(folder), EncoderOptions())


def test_each_unknown_word_is_one_sub_word(checkpoint: Any) -> None:
    encoder = HuggingFaceEncoder(str(checkpoint("BertModel")), EncoderOptions())
    rows = encoder.tokenise(["The fox ☃ ☂", "Köln"], pretokenised=True)
    words = [len(encoder.tokenizer.tokenize(word)) for word in ("The", "fox", "Köln")]
    ids = [i for row in rows for i, word in zip(row.ids, row.word_index, strict=True) if word >= 0]
    assert len(ids) == sum(words) + 2 and ids.count(encoder.tokenizer.unk_token_id) == 2
