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


def test_only_four_kinds_of_head_are_known() -> None:
    assert head_of("XLMRobertaForMaskedLM") == "masked-lm"
    assert head_of("CamembertForQuestionAnswering") == "question-answering"
    assert head_of("BertForTokenClassification") == "token-classification"
    assert head_of("BertForNextSentencePrediction") is None
    assert head_of("") is None


KINDS = {
    "question-answering": ("QuestionAnswering", ()),
    "sequence-classification": ("SequenceClassification", ("no", "yes", "maybe")),
    "token-classification": ("TokenClassification", ("O", "B-PER", "I-PER")),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_fresh_head_is_transformers_own_on_the_same_encoder(
    checkpoint: Any, text: list[str], tmp_path: Any, family: str, kind: str
) -> None:
    encoder = opened(checkpoint(f"{family}ForMaskedLM"))
    batch = encoder.collate(encoder.tokenise(text))
    before = encoder.encode(batch).tokens[-1]
    name, labels = KINDS[kind]
    head = encoder.fresh_head(kind, labels)
    torch.testing.assert_close(encoder.encode(batch).tokens[-1], before, atol=0, rtol=0)
    assert {id(p) for p in head.parameters()} == {id(p) for p in encoder.module.parameters()}
    logits = head(batch)
    assert logits.requires_grad
    # What is saved is a plain folder with this head, its classes named.
    encoder.save(tmp_path)
    auto = getattr(transformers, f"AutoModelFor{name}")
    whole, report = auto.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    assert type(whole).__name__ == f"{family}For{name}"
    if labels:
        assert whole.config.id2label == dict(enumerate(labels))
        expected = whole.eval()(batch.ids, attention_mask=batch.mask.long()).logits
    else:
        output = whole.eval()(batch.ids, attention_mask=batch.mask.long())
        expected = torch.stack([output.start_logits, output.end_logits], -1)
    torch.testing.assert_close(logits, expected, atol=2e-5, rtol=1e-4)
    carried = opened(tmp_path).carried_head(kind)
    assert carried is not None
    torch.testing.assert_close(carried(batch), expected, atol=2e-5, rtol=1e-4)


def test_a_fresh_head_is_drawn_from_the_seed(checkpoint: Any) -> None:
    drawn = []
    for _ in range(2):
        torch.manual_seed(3)
        head = opened(checkpoint("BertForMaskedLM")).fresh_head("token-classification", ["a", "b"])
        drawn.append(dict(head.named_parameters())["model.classifier.weight"])
    assert torch.equal(*drawn)
    assert 0.01 < drawn[0].std() < 0.03


def test_a_pooler_that_was_learnt_is_kept_where_the_head_reads_it(checkpoint: Any) -> None:
    encoder = opened(checkpoint("BertModel"))
    learnt = encoder.module.pooler.dense.weight
    encoder.fresh_head("sequence-classification", ["a", "b"])
    assert encoder.module.bert.pooler.dense.weight is learnt
    encoder = opened(checkpoint("BertModel"))
    encoder.fresh_head("question-answering", ())
    assert encoder.module.bert.pooler is None


def test_an_architecture_without_such_a_head_is_refused(checkpoint: Any) -> None:
    encoder = opened(checkpoint("BertForMaskedLM"))
    encoder._model.config = transformers.T5Config()
    with pytest.raises(UsageError, match="no head for masked-lm on t5"):
        encoder.fresh_head("masked-lm", ())
