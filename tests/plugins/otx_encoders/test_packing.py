"""Texts without padding have the states and gradients of padded ones, whatever their lengths."""

from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from otx.types import TokenBatch
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions
from otx_encoders.packing import make_packing
from tests.examples import examples

LAYERS = (-1, 0, 1, 2, 3)
RAGGED = [
    [[5], [3, 9, 1, 4], [4, 4, 2]],
    [[7, 7, 7], [1]],
    [[12, 2], [2, 12, 30, 1, 1, 2]],
    [[40] * 3],
]
"""Lengths of the texts of batches that are encoded together."""


def opened(folder: Any) -> HuggingFaceEncoder:
    encoder = HuggingFaceEncoder(str(folder), EncoderOptions())
    encoder.module.double()
    return encoder


def batches_of(encoder: HuggingFaceEncoder, lengths: list[list[int]]) -> list[TokenBatch]:
    generator = torch.Generator().manual_seed(1)
    count: int = encoder.module.config.vocab_size  # type: ignore[union-attr,assignment]
    batches = []
    for several in lengths:
        mask = torch.arange(max(several)) < torch.tensor(several)[:, None]
        ids = torch.randint(5, count, mask.shape, generator=generator)
        ids = ids.where(mask, encoder.tokenizer.pad_token_id)
        batches.append(TokenBatch(ids, mask, torch.where(mask, 0, -1)))
    return batches


def gradients(
    encoder: HuggingFaceEncoder, states: list[Any], batches: list[TokenBatch]
) -> list[Tensor]:
    """Of every parameter, for weights that differ between sub-words; padding may hold anything."""
    encoder.module.zero_grad()
    total = sum(
        (torch.cos(3.0 * layer) * values * batch.mask.unsqueeze(-1)).pow(3).sum()
        for encoded, batch in zip(states, batches, strict=True)
        for layer, values in ((torch.tensor(float(n)), v) for n, v in encoded.tokens.items())
    )
    total.backward()  # type: ignore[union-attr]
    return [p.grad.clone() for p in encoder.module.parameters() if p.grad is not None]


@pytest.mark.parametrize("lengths", RAGGED)
@pytest.mark.parametrize("architecture", ["BertModel", "XLMRobertaForMaskedLM"])
def test_states_and_gradients_are_those_of_padded_texts(
    checkpoint: Any, architecture: str, lengths: list[list[int]]
) -> None:
    encoder = opened(checkpoint(architecture))
    batches = batches_of(encoder, lengths)
    assert encoder.packs
    packed = encoder.encode_together(batches, LAYERS)
    padded = [encoder.encode_padded(batch, LAYERS) for batch in batches]
    for one, other, batch in zip(packed, padded, batches, strict=True):
        assert one.tokens.keys() == other.tokens.keys()
        for layer, states in one.tokens.items():
            expected = other.tokens[layer]
            torch.testing.assert_close(states[batch.mask], expected[batch.mask], atol=1e-10, rtol=0)
    both = (gradients(encoder, states, batches) for states in (packed, padded))
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)


def test_each_side_of_a_pair_is_that_of_the_side_alone(checkpoint: Any) -> None:
    encoder = opened(checkpoint("XLMRobertaModel"))
    batches = batches_of(encoder, [[5, 9, 2], [3, 3, 8]])
    for one, batch in zip(encoder.encode_together(batches), batches, strict=True):
        expected = encoder.encode(batch).tokens[-1]
        torch.testing.assert_close(one.tokens[-1], expected, atol=1e-10, rtol=0)


def test_the_texts_of_a_sequence_keep_their_type_ids(checkpoint: Any) -> None:
    encoder = opened(checkpoint("BertModel"))
    typed, plain = batches_of(encoder, [[6, 3], [4]])
    typed.type_ids = (torch.arange(6) > 2).long().expand(2, 6)
    for one, batch in zip(encoder.encode_together([typed, plain]), [typed, plain], strict=True):
        expected = encoder.encode_padded(batch, (-1,)).tokens[-1][batch.mask]
        torch.testing.assert_close(one.tokens[-1][batch.mask], expected, atol=1e-10, rtol=0)


def test_recomputed_activations_are_packed_as_well(checkpoint: Any) -> None:
    from otx.training.freezing import recompute

    encoder, twin = (opened(checkpoint("BertModel")) for _ in range(2))
    recompute(twin)
    batches = batches_of(encoder, [[5, 9, 2], [3, 3, 8]])
    results = []
    for one in (encoder, twin):
        one.module.train()
        torch.manual_seed(3)
        results.append(gradients(one, one.encode_together(batches), batches))
    for left, right in zip(*results, strict=True):
        assert torch.equal(left, right), "dropout is drawn again as before"


@pytest.mark.parametrize("side", ["left", "middle"])
def test_padding_elsewhere_is_encoded_with_its_padding(checkpoint: Any, side: str) -> None:
    encoder = opened(checkpoint("BertModel"))
    (batch,) = batches_of(encoder, [[5, 5]])
    batch.mask[0, 0 if side == "left" else 2] = False
    assert make_packing([batch]) is None
    states = encoder.encode(batch).tokens[-1]
    assert torch.equal(states, encoder.encode_padded(batch, (-1,)).tokens[-1])


def test_models_of_another_attention_are_not_packed(tmp_path: Any, unigram: Any) -> None:
    common = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    causal = transformers.GPT2Config(
        vocab_size=200, n_embd=16, n_layer=2, n_head=2, pad_token_id=0, bos_token_id=0
    )
    local = transformers.ModernBertConfig(
        vocab_size=200, intermediate_size=16, local_attention=4, pad_token_id=0, **common
    )
    eager = transformers.BertConfig(vocab_size=200, intermediate_size=16, **common)
    eager._attn_implementation = "eager"
    from otx_encoders.packed_model import permit_packing

    for config in (causal, local, eager):
        model = transformers.AutoModel.from_config(config).eval()
        before = model.config._attn_implementation
        assert not permit_packing(model), type(config).__name__
        assert model.config._attn_implementation == before


def test_neither_digest_nor_saved_folder_shows_it(checkpoint: Any, tmp_path: Any) -> None:
    encoder = HuggingFaceEncoder(str(checkpoint("BertModel")), EncoderOptions())
    encoder.save(tmp_path)
    assert "otx" not in (tmp_path / "config.json").read_text()
    again = HuggingFaceEncoder(str(tmp_path), EncoderOptions())
    assert again.digest() == encoder.digest()


@examples(30)
@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=5), min_size=1, max_size=3))
def test_packing_and_unpacking_keeps_every_sub_word(lengths: list[list[int]]) -> None:
    batches = []
    for number, several in enumerate(lengths):
        mask = torch.arange(max(several)) < torch.tensor(several)[:, None]
        ids = torch.arange(mask.numel()).view(mask.shape) + 1000 * number
        batches.append(TokenBatch(ids, mask, ids))
    packing = make_packing(batches)
    assert packing is not None
    row = packing.pack([batch.ids for batch in batches])
    real = np.concatenate([batch.ids[batch.mask].numpy() for batch in batches])
    np.testing.assert_array_equal(np.sort(row[0].numpy()), np.sort(real))
    assert sum(count * length for count, length in packing.blocks) == row.shape[1]
    shapes = [batch.ids.shape for batch in batches]
    states = packing.unpack(row.double().unsqueeze(-1), shapes)
    for batch, values in zip(batches, states, strict=True):
        assert torch.equal(values.squeeze(-1)[batch.mask], batch.ids[batch.mask].double())
        last = batch.ids[range(len(batch.ids)), batch.mask.sum(1) - 1]
        padding = values.squeeze(-1)[~batch.mask]
        assert torch.equal(padding, last[:, None].expand_as(batch.ids)[~batch.mask].double())
