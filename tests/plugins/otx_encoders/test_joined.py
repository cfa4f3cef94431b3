"""Two rows in one sequence are what the tokenizer itself makes of the pair of texts."""

from typing import Any

import pytest
import torch

from otx.data.pair_sequences import join, pair_template
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions


def test_templates(unigram: Any, cased: Any) -> None:
    xlmr = pair_template(unigram)
    assert unigram.convert_ids_to_tokens(xlmr.before) == ["<s>"]
    assert unigram.convert_ids_to_tokens(xlmr.between) == ["</s>", "</s>"]
    bert = pair_template(cased)
    assert cased.convert_ids_to_tokens(bert.between) == ["[SEP]"]
    assert (bert.types, bert.size) == ((0, 1), 3)


@pytest.mark.parametrize("family", ["Bert", "XLMRoberta", "DistilBert"])
def test_a_pair_is_the_tokenizers_own(family: str, checkpoint: Any, text: list[str]) -> None:
    encoder = HuggingFaceEncoder(str(checkpoint(f"{family}ForMaskedLM")), EncoderOptions())
    sources, pivots = ["fox", text[2][:20], text[5]], [text[0][:25], "lazy dog", "Köln"]
    rows = encoder.tokenise(sources), encoder.tokenise(pivots)
    batch = join(encoder, *rows)
    for number, (source, pivot) in enumerate(zip(sources, pivots, strict=True)):
        pair = encoder.tokenizer(source, pivot, return_token_type_ids=True)
        length = len(pair["input_ids"])
        assert batch.ids[number][batch.mask[number]].tolist() == pair["input_ids"]
        assert batch.type_ids is not None
        assert batch.type_ids[number, :length].tolist() == pair["token_type_ids"]
        words = [*rows[0][number].word_index[1:-1]]
        words += [i + rows[0][number].words for i in rows[1][number].word_index[1:-1]]
        assert [i for i in batch.word_index[number].tolist() if i >= 0] == words
    picked = batch.word_index == 0
    assert encoder.masked_logits(batch, picked).shape[0] == int(picked.sum())
    assert torch.equal(batch.mask.sum(1).max(), torch.tensor(batch.ids.shape[1]))
