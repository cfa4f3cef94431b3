"""The counted operations of an encoder are those that PyTorch counts."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel

from benchmarks.arithmetic import Shape, padding_share

SHAPE = Shape(layers=2, width=16, inner=24)


def test_a_training_step_has_the_operations_that_pytorch_counts() -> None:
    config = BertConfig(
        vocab_size=50,
        hidden_size=SHAPE.width,
        intermediate_size=SHAPE.inner,
        num_hidden_layers=SHAPE.layers,
        num_attention_heads=2,
        attn_implementation="eager",
    )
    model = BertModel(config, add_pooling_layer=False).train()
    counter = FlopCounterMode(display=False)
    lengths = np.array([[3, 7], [5, 5]])
    with counter:
        for length in lengths.reshape(-1):
            # Embeddings that are given take a gradient, as those that are trained do.
            inputs = torch.randn(1, int(length), SHAPE.width, requires_grad=True)
            model(inputs_embeds=inputs).last_hidden_state.sum().backward()
        with torch.no_grad():
            for length in lengths[:, 1]:
                model(inputs_embeds=torch.randn(1, int(length), SHAPE.width))
    assert SHAPE.alignment(lengths) == counter.get_total_flops()


def test_padding_is_counted_to_the_longest_text_of_each_side() -> None:
    batches = [np.array([[2, 4], [4, 4]]), np.array([[1, 1]])]
    assert padding_share(batches) == pytest.approx(2 / 18)
