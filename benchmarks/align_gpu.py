"""Measure the throughput of the whole alignment step on a GPU, against a padded loop of plain transformers.

    python -m benchmarks.align_gpu [--device cuda] [--minutes 3] [--shape xlm-r-base e5-small] [--tokens 16384 65536]

Models have random weights and batches the lengths of real pairs (``benchmarks.lengths``), so nothing is downloaded. The
objective is `divergence` with `keep-close`, the type bf16. Each line is a shape and a token budget:

- pairs/s of otx's own loop, end to end, and of the peer: the same model and objective, each side padded and encoded by
  itself, PyTorch's AdamW, the loss read in every step;
- useful operations a second as a share of the card's rate for a large bf16 product, measured in the same run. They are
  the products of the layers' maps and of attention, without padding: forward once and backward twice as much for both
  sides, and one forward pass of the frozen encoder for the English side;
- the share of the step that the objective takes, forward and backward, by events on the device: transport,
  `keep-close`, word vectors and what the loop measures of them;
- peak memory, and whether texts are packed.

On a CPU, ``--shape tiny --device cpu`` shows that it works.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn

from benchmarks.arithmetic import Shape, padding_share
from benchmarks.device_clock import ObjectiveTimes
from benchmarks.lengths import read_lengths
from benchmarks.turns import matrix_rate
from otx.alignment.trainable import TrainableAlignment
from otx.config.objective_term import ObjectiveTerm
from otx.config.settings import load_settings
from otx.data.batches import BatchSampler
from otx.plugin_host.host import host
from otx.training.auxiliary_encoders import AuxiliaryEncoders, frozen_copy
from otx.training.factories import make_objective
from otx.training.fit import LOG_EVERY, FitHooks, fit
from otx.training.optimizer import FitSettings
from otx.training.vocabulary import restrict
from otx.types import Encoded, TokenBatch, TokenRow
from otx_encoders.compiled.dropout import replace_dropout
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.packed_model import permit_packing

PAIRS = 100_000
USED = 30_000
"""Sub-words of the vocabulary that occur."""
STEPS = 1_000_000
RATE = 5e-5
LAST = -1
SHARE_OF_TIME = 0.7
"""Share of the time for steps; the rest is for making models and warming up."""


class Over(Exception):
    """The time for a contestant is over."""


@dataclass(frozen=True, slots=True)
class Model:
    """An encoder's configuration.

    Attributes:
        kind: Class of transformers' configuration.
        vocabulary: Size of the vocabulary.
        shape: Layers and widths.
        heads: Attention heads.
    """

    kind: type[Any]
    vocabulary: int
    shape: Shape
    heads: int


MODELS = {
    "xlm-r-base": Model(transformers.XLMRobertaConfig, 250_002, Shape(12, 768, 3072), 12),
    "mbert": Model(transformers.BertConfig, 119_547, Shape(12, 768, 3072), 12),
    "e5-small": Model(transformers.BertConfig, 250_037, Shape(12, 384, 1536), 12),
    "tiny": Model(transformers.XLMRobertaConfig, 1_000, Shape(2, 64, 128), 2),
}


class RandomEncoder(HuggingFaceEncoder):
    """An encoder with random weights, and a tokenizer that only knows its padding.

    Args:
        model: Its configuration.
    """

    def __init__(self, model: Model) -> None:
        config = model.kind(
            vocab_size=model.vocabulary,
            hidden_size=model.shape.width,
            intermediate_size=model.shape.inner,
            num_hidden_layers=model.shape.layers,
            num_attention_heads=model.heads,
            max_position_embeddings=514,
            pad_token_id=1,
        )
        self.reference = config.model_type
        self.tokenizer = SimpleNamespace(pad_token_id=1)
        self._model = transformers.AutoModel.from_config(config).eval()
        self.module: nn.Module = self._model
        self.head_kind, self.notes = None, ()
        self.dimension, self.layers, self.max_length = model.shape.width, model.shape.layers, 512
        replace_dropout(self._model)
        self._packed = permit_packing(self._model)


class RandomText:
    """Random sub-words with the lengths of real pairs, in memory, as ``otx.data.tokenised`` reads them.

    Args:
        vocabulary: Number of sub-words that occur.
    """

    def __init__(self, vocabulary: int) -> None:
        table = read_lengths(PAIRS)
        self.lengths = table[:, :2]
        random = np.random.default_rng(0)
        self._rows = [
            [_row(random.integers(2, vocabulary, int(count)), int(words)) for count, words in part]
            for part in (table[:, [0, 2]], table[:, [1, 3]])
        ]

    def rows(self, indices: np.ndarray) -> tuple[list[TokenRow], list[TokenRow], list[int]]:
        """Return the rows of some pairs.

        Args:
            indices: Numbers of the pairs.
        """
        source, pivot = ([side[index] for index in indices] for side in self._rows)
        return source, pivot, indices.tolist()


def _row(ids: np.ndarray, words: int) -> TokenRow:
    inner = len(ids) - 2
    index = np.arange(inner) * words // max(inner, 1)
    return TokenRow(ids.tolist(), [-1, *index.tolist(), -1], words, 0)


@dataclass(frozen=True, slots=True)
class Bench:
    """One shape and token budget on a device.

    Attributes:
        model: The encoder's configuration.
        tokens: Sub-words of a micro-batch.
        device: The device.
        seconds: Time for the measurement of each contestant.
    """

    model: Model
    tokens: int
    device: torch.device
    seconds: float

    @property
    def autocast(self) -> torch.dtype | None:
        """bf16 on a GPU; None elsewhere, where it is not faster."""
        return torch.bfloat16 if self.device.type == "cuda" else None

    def job(self) -> TrainableAlignment:
        """Return the job that ``otx align`` would make."""
        settings = load_settings()
        plugins = host(settings)
        encoder = RandomEncoder(self.model)
        encoder.module.to(self.device)
        used = min(USED, self.model.vocabulary)
        restrict(encoder, np.arange(used))
        terms = [ObjectiveTerm("divergence", 1.0, 1.0), ObjectiveTerm("keep-close", 0.1, 0.1)]
        objective = make_objective(
            terms, plugins.registry, settings.option_tables, encoder.dimension
        ).to(self.device)
        text: Any = RandomText(used)
        sampler = BatchSampler([text.lengths], batch_tokens=self.tokens, seed=1)
        material: Any = SimpleNamespace(
            train=[SimpleNamespace(name="random")], tokenised=[text], sampler=sampler
        )
        auxiliary = AuxiliaryEncoders(reference=frozen_copy(encoder))
        encoder.module.train()
        return TrainableAlignment(
            encoder,
            objective,
            material,
            auxiliary,
            align=settings.align,
            word_vector="last",
            steps=STEPS,
        )

    def ours(self) -> dict[str, float]:
        """Return the numbers of otx's loop."""
        job = self.job()
        times = ObjectiveTimes(job, self.device)
        # Steps whose numbers are read together on a GPU: the first reading ends the warm-up.
        warm = LOG_EVERY if self.device.type == "cuda" else 1
        rows: list[tuple[float, dict[str, float]]] = []
        began = time.perf_counter()

        def stop_requested() -> bool:
            if len(rows) > warm and time.perf_counter() - began > self.seconds:
                raise Over
            return False

        hooks = FitHooks(
            started=lambda *_: None,
            step_finished=lambda row: rows.append((time.perf_counter(), row)),
            checkpoint_saved=lambda _: None,
            notice=print,
            stop_requested=stop_requested,
        )
        settings = FitSettings(STEPS, RATE, 1, checkpoint_every=STEPS, autocast=self.autocast)
        with tempfile.TemporaryDirectory() as folder, suppress(Over):
            fit(job, settings, Path(folder), hooks)
        seconds = rows[-1][0] - rows[warm - 1][0]
        lengths, sampler = job.material.tokenised[0].lengths, job.material.sampler
        batches = [
            lengths[indices]
            for step in range(warm, len(rows))
            for _, indices in sampler.micro_batches(step)
        ]
        with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
            packed = job.encoder.packs  # type: ignore[attr-defined]
        return {
            "pairs": sum(row["pairs"] for _, row in rows[warm:]) / seconds,
            "step": seconds / (len(rows) - warm),
            "operations": sum(map(self.model.shape.alignment, batches)) / seconds,
            "padding": padding_share(batches),
            "objective": times.seconds(warm, len(rows)) / seconds,
            "packed": packed,
        }

    def peer(self) -> dict[str, float]:
        """Return the numbers of a padded loop."""
        job = self.job()
        optimizer = torch.optim.AdamW(
            [p for m in job.modules.values() for p in m.parameters() if p.requires_grad], lr=RATE
        )
        for encoder in (job.encoder, job.auxiliary.reference):
            _pad(encoder)
        began = time.perf_counter()
        pairs, step, warm = 0, 0, began
        while step < 4 or time.perf_counter() - began < self.seconds:
            if step == 3:
                pairs, warm = 0, time.perf_counter()
            for batch in job.micro_batches(step):
                with torch.autocast(
                    self.device.type, self.autocast, enabled=self.autocast is not None
                ):
                    value = job.loss(job.prepare(batch)).value
                optimizer.zero_grad()
                value.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(job.encoder.module.parameters(), 1.0)
                optimizer.step()
                value.item()
                pairs += len(batch.indices)
            step += 1
        return {"pairs": pairs / (time.perf_counter() - warm)}


def _pad(encoder: Any) -> None:
    """Let an encoder keep its padding, and encode each side by itself."""

    def together(batches: Sequence[TokenBatch], layers: Sequence[int] = (LAST,)) -> list[Encoded]:
        return [encoder.encode_padded(batch, layers) for batch in batches]

    encoder.encode_together = together


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=3, help="time of the whole measurement")
    parser.add_argument(
        "--shape", nargs="+", choices=MODELS, default=["xlm-r-base", "mbert", "e5-small"]
    )
    parser.add_argument("--tokens", nargs="+", type=int, default=[16_384, 65_536])
    given = parser.parse_args()
    device = torch.device(given.device)
    gpu = device.type == "cuda"
    rate = matrix_rate(given.device, *((torch.bfloat16, 8192) if gpu else (torch.float32, 1024)))
    name = torch.cuda.get_device_name(device) if gpu else "CPU"
    kind = "bf16" if gpu else "float32"
    print(f"{name}, torch {torch.__version__}, transformers {transformers.__version__}")
    print(f"matrix rate in {kind}: {rate / 1e12:.1f} TFLOP/s")
    lengths = read_lengths(PAIRS)[:, :2]
    print(f"lengths of real pairs: {lengths.mean():.1f} sub-words a side")
    columns = (
        "pairs/s",
        "peer",
        "ratio",
        "s/step",
        "GFLOP/pair",
        "useful",
        "objective",
        "memory",
        "padding",
    )
    print(f"{'shape':12}{'tokens':>8}" + "".join(f"{title:>11}" for title in columns))
    benches = len(given.shape) * len(given.tokens)
    seconds = SHARE_OF_TIME * 60 * given.minutes / benches / 2
    for shape in given.shape:
        for tokens in given.tokens:
            try:
                print(line(Bench(MODELS[shape], tokens, device, seconds), shape, rate), flush=True)
            except torch.OutOfMemoryError:
                print(f"{shape:12}{tokens:8} out of memory", flush=True)


def line(bench: Bench, shape: str, rate: float) -> str:
    """Measure both contestants, and return a line of the table.

    Args:
        bench: The shape, the token budget and the device.
        shape: Name of the shape.
        rate: The device's matrix rate.
    """
    gpu = bench.device.type == "cuda"
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    ours = bench.ours()
    memory = f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB" if gpu else "-"
    peer = bench.peer()
    cells = (
        f"{ours['pairs']:.0f}",
        f"{peer['pairs']:.0f}",
        f"{ours['pairs'] / peer['pairs']:.2f}",
        f"{ours['step']:.3f}",
        f"{ours['operations'] / ours['pairs'] / 1e9:.1f}",
        f"{ours['operations'] / rate:.1%}",
        f"{ours['objective']:.1%}",
        memory,
        f"{ours['padding']:.1%}",
    )
    note = "" if ours["packed"] else "  (not packed)"
    return f"{shape:12}{bench.tokens:8}" + "".join(f"{cell:>11}" for cell in cells) + note


if __name__ == "__main__":
    main()
