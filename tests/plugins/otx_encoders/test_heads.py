"""Heads that a checkpoint brings, against the whole model of transformers."""

from typing import Any

import pytest
import torch
import transformers

from otx.errors import UsageError
from otx_encoders.heads import head_of
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions

FAMILIES = ["Bert", "XLMRoberta", "DistilBert"]


def opened(folder: Any) -> HuggingFaceEncoder:
    return HuggingFaceEncoder(str(folder), EncoderOptions())


@pytest.mark.parametrize("family", FAMILIES)
def test_masked_logits_are_the_whole_models_at_the_picked_places(
    checkpoint: Any, text: list[str], family: str
) -> None:
    folder = checkpoint(f"{family}ForMaskedLM")
    encoder = opened(folder)
    batch = encoder.collate(encoder.tokenise(text))
    picked = (torch.arange(batch.ids.numel()).reshape(batch.ids.shape) % 5 == 0) & batch.mask
    logits = encoder.masked_logits(batch, picked)
    whole = transformers.AutoModelForMaskedLM.from_pretrained(folder).eval()
    expected = whole(batch.ids, attention_mask=batch.mask.long()).logits[picked]
    assert logits.shape == (int(picked.sum()), 400)
    torch.testing.assert_close(logits, expected, atol=2e-5, rtol=1e-4)
    # The same gradients reach every weight, and the detour is gone afterwards.
    logits.square().mean().backward()
    expected.square().mean().backward()
    for own, other in zip(encoder.module.parameters(), whole.parameters(), strict=True):
        assert (own.grad is None) == (other.grad is None)
        if own.grad is not None and other.grad is not None:
            torch.testing.assert_close(own.grad, other.grad, atol=1e-4, rtol=1e-3)
    assert encoder.encode(batch).tokens[-1].shape == (*batch.ids.shape, 32)


def test_masked_logits_of_no_place_are_no_rows(checkpoint: Any) -> None:
    encoder = opened(checkpoint("BertForMaskedLM"))
    batch = encoder.collate(encoder.tokenise(["Köln"]))
    assert encoder.masked_logits(batch, torch.zeros_like(batch.mask)).shape == (0, 400)


@pytest.mark.parametrize("architecture", ["BertModel", "XLMRobertaForQuestionAnswering"])
def test_a_checkpoint_without_lm_head_says_so(checkpoint: Any, architecture: str) -> None:
    encoder = opened(checkpoint(architecture))
    batch = encoder.collate(encoder.tokenise(["Köln"]))
    with pytest.raises(UsageError, match="has no masked-LM head"):
        encoder.masked_logits(batch, batch.mask)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_span_head_is_used_as_it_is(checkpoint: Any, text: list[str], family: str) -> None:
    folder = checkpoint(f"{family}ForQuestionAnswering")
    encoder = opened(folder)
    head = encoder.carried_head("question-answering")
    assert head is not None and encoder.carried_head("sequence-classification") is None
    batch = encoder.collate(encoder.tokenise(text))
    whole = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    output = whole(batch.ids, attention_mask=batch.mask.long())
    logits = head(batch)
    assert logits.shape == (*batch.ids.shape, 2)
    torch.testing.assert_close(logits[..., 0], output.start_logits, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(logits[..., 1], output.end_logits, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_head_is_used_as_it_is(checkpoint: Any, text: list[str], family: str) -> None:
    folder = checkpoint(f"{family}ForSequenceClassification")
    encoder = opened(folder)
    head = encoder.carried_head("sequence-classification")
    assert head is not None and encoder.carried_head("question-answering") is None
    batch = encoder.collate(encoder.tokenise(text))
    whole = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    expected = whole(batch.ids, attention_mask=batch.mask.long()).logits
    torch.testing.assert_close(head(batch), expected, atol=2e-5, rtol=1e-4)


def test_the_classes_are_named_in_the_order_of_their_logits(copied: Any) -> None:
    names = {"2": "entailment", "0": "contradiction", "1": "neutral"}
    folder = copied("BertForSequenceClassification", {"id2label": names})
    head = opened(folder).carried_head("sequence-classification")
    assert head is not None and head.labels == ("contradiction", "neutral", "entailment")


def test_a_carried_head_shares_the_encoders_weights(checkpoint: Any) -> None:
    encoder = opened(checkpoint("DistilBertForQuestionAnswering"))
    head = encoder.carried_head("question-answering")
    assert head is not None
    own = {parameter.data_ptr() for parameter in encoder.module.parameters()}
    assert own == {parameter.data_ptr() for parameter in head.parameters()}


@pytest.mark.parametrize("kind", ["masked-lm", "question-answering", "unheard-of"])
def test_a_checkpoint_carries_no_other_head(checkpoint: Any, kind: str) -> None:
    assert opened(checkpoint("BertForMaskedLM")).carried_head(kind) is None
    assert opened(checkpoint("BertModel")).carried_head(kind) is None


def test_only_three_kinds_of_head_are_known() -> None:
    assert head_of("XLMRobertaForMaskedLM") == "masked-lm"
    assert head_of("CamembertForQuestionAnswering") == "question-answering"
    assert head_of("BertForNextSentencePrediction") is None
    assert head_of("") is None
