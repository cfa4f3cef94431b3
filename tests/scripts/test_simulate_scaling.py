"""The simulated step against closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel

from scripts.simulate_scaling import (
    FLOAT,
    H100,
    MICRO_BATCH,
    MODELS,
    Machine,
    Work,
    frozen_cost,
    simulate,
)

MODEL = MODELS["xlm-roberta-base"]
WORK = Work(pairs=512, spread=0.0)


def parameters(name: str) -> int:
    """Count the parameters of the real architecture, without its pooler and without allocating it."""
    import torch

    shape = MODELS[name]
    kind, config = (
        (BertModel, BertConfig(vocab_size=shape.vocabulary, type_vocab_size=2))
        if name.startswith("bert")
        else (
            XLMRobertaModel,
            XLMRobertaConfig(
                vocab_size=shape.vocabulary, max_position_embeddings=514, type_vocab_size=1
            ),
        )
    )
    with torch.device("meta"):
        model = kind(config, add_pooling_layer=False)
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", ["bert-base-multilingual-cased", "xlm-roberta-base"])
def test_parameters_are_those_of_the_architecture(name: str) -> None:
    shape = MODELS[name]
    counted = shape.layers * shape.layer + shape.embeddings()
    assert counted == pytest.approx(parameters(name), rel=1e-4)


def test_one_process_computes_and_sends_nothing() -> None:
    step = simulate(MODEL, WORK, H100, 1)
    forward = 2 * 35.0 * 512 * 12 * (4 * 768**2 + 2 * 768 * 3072 + 2 * 768 * 35.0)
    assert step.compute == pytest.approx(7 * forward / H100.rate)
    assert step.waiting == step.sent == step.gathering == 0


@pytest.mark.parametrize("processes", [2, 4, 8])
def test_a_free_network_divides_the_computation(processes: int) -> None:
    free = replace(H100, inside=math.inf, latency_inside=0.0)
    step, alone = simulate(MODEL, WORK, free, processes), simulate(MODEL, WORK, free, 1)
    assert step.compute == pytest.approx(alone.compute / processes) and step.waiting == 0


@pytest.mark.parametrize("processes", [2, 5, 8])
def test_without_computation_the_ring_is_the_step(processes: int) -> None:
    instant = replace(H100, rate=math.inf, memory=math.inf, latency_inside=0.0)
    step = simulate(MODEL, WORK, instant, processes)
    size = FLOAT * (MODEL.layers * MODEL.layer + MODEL.embeddings(WORK.rows))
    assert step.seconds == pytest.approx(2 * (processes - 1) / processes * size / H100.inside)
    assert step.sent == pytest.approx(2 * (processes - 1) / processes * size)


def test_several_nodes_send_a_part_each() -> None:
    machine = Machine(
        1.0, 1.0, 4, inside=math.inf, outside=8.0, latency_inside=0, latency_outside=0
    )
    assert machine.all_reduce(64.0, 8) == pytest.approx(2 * (64 / 4) / 2 / 8.0)


def test_overlap_hides_what_fits_into_the_backward_pass() -> None:
    step = simulate(MODEL, replace(WORK, rows=0), H100, 2)
    alone = simulate(MODEL, replace(WORK, rows=0), replace(H100, rate=math.inf), 2)
    assert step.waiting < 0.2 * alone.waiting


def test_uneven_processes_are_slower_and_more_so_with_fewer_pairs() -> None:
    uneven = [simulate(MODEL, Work(pairs=pairs), H100, 8).compute / pairs for pairs in (4096, 64)]
    even = simulate(MODEL, WORK, H100, 8).compute / WORK.pairs
    assert even < uneven[0] < uneven[1]


def test_vectors_on_disk_pay_from_the_disk_rate_of_the_closed_form() -> None:
    forward = 2 * 12 * (4 * 768**2 + 2 * 768 * 3072 + 2 * 768 * 35.0) / H100.rate
    size = 2 * 768
    for epochs in (2, 3, 10):
        # One epoch writes, the others read: (epochs - 1) forward passes against epochs transfers of a sub-word.
        even = epochs / (epochs - 1) * size / forward
        for factor, pays in ((0.99, False), (1.01, True)):
            cost = frozen_cost(
                MODEL, H100, pairs=1000, length=35, epochs=epochs, disk=factor * even
            )
            assert cost.written == 1000 * 35 * size
            assert cost.computed == pytest.approx(1000 * 35 * epochs * forward)
            assert (cost.kept < cost.computed) == pays
    assert even == pytest.approx(3.58e9, rel=1e-3)


def test_in_one_epoch_nothing_is_read_again() -> None:
    cost = frozen_cost(MODEL, H100, pairs=1000, length=35, epochs=1, disk=1.0)
    assert cost.kept == cost.computed


def test_a_sharded_encoder_is_gathered_once_for_each_micro_batch() -> None:
    plain, sharded = (
        frozen_cost(
            MODEL,
            H100,
            pairs=MICRO_BATCH / 35,
            length=35,
            epochs=2,
            disk=1e9,
            processes=8,
            sharded=sharded,
        )
        for sharded in (False, True)
    )
    gathering = 7 / 8 * MODEL.layers * MODEL.layer * FLOAT / H100.inside + 3 * H100.latency_inside
    assert sharded.computed - plain.computed == pytest.approx(2 * gathering)
