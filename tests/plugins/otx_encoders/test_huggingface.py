"""The encoder against transformers' own models, one text at a time and without padding."""

import copy
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from otx.errors import UsageError
from otx.types import TokenBatch
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions

FAMILIES = ["Bert", "XLMRoberta", "DistilBert"]


def opened(folder: Any, **options: Any) -> HuggingFaceEncoder:
    return HuggingFaceEncoder(str(folder), EncoderOptions(**options))


@pytest.mark.parametrize("head", ["Model", "ForMaskedLM", "ForQuestionAnswering"])
@pytest.mark.parametrize("family", FAMILIES)
def test_hidden_states_are_those_of_each_text_alone(
    checkpoint: Any, text: list[str], family: str, head: str
) -> None:
    encoder = opened(checkpoint(family + head))
    rows = encoder.tokenise(text)
    layers = (-1, 0, 1, 3, -2, -4)
    with torch.no_grad():
        encoded = encoder.encode(encoder.collate(rows), layers)
        twin = transformers.AutoModel.from_pretrained(checkpoint(family + head)).eval()
        for number, row in enumerate(rows):
            states = twin(torch.tensor([row.ids]), output_hidden_states=True).hidden_states
            assert len(states) == encoder.layers + 1
            for layer in layers:
                own = encoded.tokens[layer][number, : len(row.ids)]
                torch.testing.assert_close(own, states[layer][0], atol=2e-5, rtol=1e-4)
    assert (encoder.dimension, encoder.layers, encoder.max_length) == (32, 3, 64)
    assert encoded.mask.sum(1).tolist() == [len(row.ids) for row in rows]


def test_collate_pads_on_the_right(checkpoint: Any) -> None:
    encoder = opened(checkpoint("XLMRobertaModel"))
    rows = encoder.tokenise(["The quick brown fox", "Köln"])
    batch = encoder.collate(rows)
    width = max(len(row.ids) for row in rows)
    for number, row in enumerate(rows):
        rest = width - len(row.ids)
        assert batch.ids[number].tolist() == [*row.ids, *[1] * rest]
        assert batch.word_index[number].tolist() == [*row.word_index, *[-1] * rest]
        assert batch.mask[number].tolist() == [True] * len(row.ids) + [False] * rest
    assert batch.type_ids is None and batch.ids.dtype == torch.long


def test_padding_gets_no_gradient_and_gives_none(checkpoint: Any) -> None:
    encoder = opened(checkpoint("BertModel"))
    rows = encoder.tokenise(["Köln", "The quick brown fox jumps over the lazy dog"])
    alone = encoder.encode(encoder.collate(rows[:1])).tokens[-1]
    beside = encoder.encode(encoder.collate(rows)).tokens[-1][:1, : alone.shape[1]]
    torch.testing.assert_close(alone, beside, atol=2e-5, rtol=1e-4)
    beside.sum().backward()
    grad = encoder.module.get_input_embeddings().weight.grad  # type: ignore[operator]
    only_in_second = set(rows[1].ids) - set(rows[0].ids)
    assert not grad[sorted(only_in_second)].any() and not grad[0].any()


@pytest.mark.parametrize("layer", [4, -5, 12])
def test_a_layer_that_is_not_there_is_refused(checkpoint: Any, layer: int) -> None:
    encoder = opened(checkpoint("DistilBertModel"))
    batch = encoder.collate(encoder.tokenise(["Köln"]))
    with pytest.raises(UsageError, match=rf"no layer {layer} .*0 \(embeddings\) to 3"):
        encoder.encode(batch, (layer,))


def test_gradients_modes_and_autocast_are_the_callers(checkpoint: Any) -> None:
    encoder = opened(checkpoint("BertModel"))
    batch = encoder.collate(encoder.tokenise(["The quick brown fox"]))
    assert not encoder.module.training
    with torch.no_grad():
        assert not encoder.encode(batch).tokens[-1].requires_grad
    assert encoder.encode(batch).tokens[-1].requires_grad
    twin = transformers.AutoModel.from_pretrained(checkpoint("BertModel")).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = encoder.encode(batch).tokens[-1]
        expected = twin(batch.ids, attention_mask=batch.mask.long()).last_hidden_state
    torch.testing.assert_close(low.float(), expected.float(), atol=0.02, rtol=0.02)
    assert not torch.equal(low, encoder.encode(batch).tokens[-1]), "autocast did something"
    encoder.module.train()
    one, two = (encoder.encode(batch).tokens[-1] for _ in range(2))
    assert not torch.equal(one, two), "dropout is on"


@pytest.mark.parametrize(("family", "used"), [("Bert", True), ("XLMRoberta", False)])
def test_type_ids_go_to_models_that_tell_texts_apart(
    checkpoint: Any, family: str, used: bool
) -> None:
    encoder = opened(checkpoint(f"{family}Model"))
    plain = encoder.collate(encoder.tokenise(["The quick brown fox"]))
    second = TokenBatch(plain.ids, plain.mask, plain.word_index, torch.ones_like(plain.ids))
    with torch.no_grad():
        states = encoder.encode(second).tokens[-1]
        without = encoder.encode(plain).tokens[-1]
        twin = transformers.AutoModel.from_pretrained(checkpoint(f"{family}Model")).eval()
        types = second.type_ids if used else None
        expected = twin(plain.ids, token_type_ids=types).last_hidden_state
    torch.testing.assert_close(states, expected, atol=2e-5, rtol=1e-4)
    assert torch.equal(states, without) != used


def test_type_ids_do_not_reach_a_model_without_them(checkpoint: Any) -> None:
    encoder = opened(checkpoint("DistilBertModel"))
    batch = encoder.collate(encoder.tokenise(["Köln"]))
    batch.type_ids = torch.ones_like(batch.ids)
    assert encoder.encode(batch).tokens[-1].shape[-1] == encoder.dimension


def test_a_copy_stands_on_its_own(checkpoint: Any) -> None:
    encoder = opened(checkpoint("BertForMaskedLM"))
    twin = copy.deepcopy(encoder)
    before = encoder.digest()
    assert twin.digest() == before
    with torch.no_grad():
        for parameter in encoder.module.parameters():
            parameter.mul_(2)
    assert twin.digest() == before != encoder.digest()
    assert twin.tokenise(["The fox"]) == encoder.tokenise(["The fox"])
    assert twin.tokenizer is encoder.tokenizer and twin.module is twin._model


def test_the_same_text_gives_the_same_bits(checkpoint: Any, text: list[str]) -> None:
    def run() -> Tensor:
        encoder = opened(checkpoint("XLMRobertaForMaskedLM"))
        with torch.no_grad():
            return encoder.encode(encoder.collate(encoder.tokenise(text))).tokens[-1]

    assert torch.equal(run(), run())


def test_the_limit_can_be_lowered_later(checkpoint: Any) -> None:
    encoder = opened(checkpoint("BertModel"))
    text = "The quick brown fox jumps over the lazy dog"
    (row,) = encoder.tokenise([text], max_length=6)
    assert len(row.ids) <= 6 and row.cut > 0
    limit = encoder.max_length
    assert encoder.tokenise([text * limit], max_length=9 * limit) == encoder.tokenise(
        [text * limit]
    )
    assert encoder.max_length == limit
