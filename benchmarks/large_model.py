"""Measure the memory of ``otx align`` with a model of XLM-R base's size on a CPU, against plain transformers.

    python -m benchmarks.large_model [--steps 3] [--folder FOLDER]

The checkpoint has the configuration of XLM-R base (278 M parameters, 1.1 GB) with random weights, and the tokenizer of
``e5-small``, which has XLM-R's vocabulary. It is aligned with the default settings: on the embedded sample, and on real
text (../shared/data), whose batches are longer, where that is at hand. The peer trains all weights on as many pairs of
the sample with transformers and AdamW, without a frozen copy of the model.

The aim counts all resident memory, pages of mapped files included; the peak is the kernel's own record. With
``--folder``, the checkpoint stays there for another call. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import otx_corpora
from benchmarks.real_pairs import SOURCES, has_sources, write_pairs
from benchmarks.record import Result, record
from benchmarks.watched import Watched, watch

ROOT = Path(__file__).parents[1]
SAMPLE = Path(otx_corpora.__file__).parent / "sample"
SHAPE = {
    "vocab_size": 250_002,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "eos_token_id": 2,
    "layer_norm_eps": 1e-5,
}
"""XLM-R base."""
LIMIT = 6.0
"""The aim: peak of the resident memory in GB."""
MEBIBYTE = 2**20
REAL_PAIRS = 1_000


def write_model(folder: Path) -> None:
    """Write the checkpoint.

    Args:
        folder: A folder that does not exist.
    """
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM

    from otx_encoders.e5_small import NAME, E5SmallEncoder
    from otx_encoders.options import EncoderOptions

    torch.manual_seed(0)
    model = XLMRobertaForMaskedLM(XLMRobertaConfig(**SHAPE))
    model.save_pretrained(folder)
    E5SmallEncoder(NAME, EncoderOptions()).tokenizer.save_pretrained(folder)
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.0f} M parameters in {folder}")


def align(folder: Path, model: Path, steps: int, corpus: str) -> tuple[Watched, int]:
    """Align the model, and return the process and the most pairs of a step.

    Args:
        folder: Working folder.
        model: The checkpoint.
        steps: Number of steps.
        corpus: Reference of the corpus.
    """
    command = [
        sys.executable, "-m", "otx", "align", "--model", str(model), "--corpus", corpus,
        "--steps", str(steps), "--run", "large", "--device", "cpu",
    ]  # fmt: skip
    run = folder / "runs" / "large"
    try:
        watched = watch(command, folder, _environment())
        rows = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return watched, max(json.loads(row)["pairs"] for row in rows)
    finally:
        shutil.rmtree(run, ignore_errors=True)


def train_plainly(folder: Path, model: Path, pairs: int, steps: int) -> Watched:
    """Run the peer.

    Args:
        folder: Working folder.
        model: The checkpoint.
        pairs: Number of pairs in a step.
        steps: Number of steps.
    """
    texts = [str(SAMPLE / f"train.{code}.txt") for code in ("de", "en")]
    command = [sys.executable, "-m", "benchmarks.peers.plain_training", str(model), *texts]
    return watch([*command, str(pairs), str(steps)], folder, _environment())


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the checkpoint here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (given.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        model = folder / "xlm-r-base"
        if not model.exists():
            write_model(model)
        ours, pairs = align(folder, model, given.steps, "sample:de")
        peer = train_plainly(folder, model, pairs, given.steps)
        runs = {"otx align": (ours, pairs), "plain transformers": (peer, pairs)}
        if has_sources():
            corpus = str(write_pairs(REAL_PAIRS, folder, SOURCES))
            runs["otx align, real text"] = align(folder, model, given.steps, corpus)
    print(f"{given.steps} steps, peaks in GB; aim {LIMIT:.0f} GB")
    print(
        f"{'':22}{'pairs a step':>14}{'resident':>10}{'anonymous':>11}{'mapped':>8}{'seconds':>9}"
    )
    for name, (run, most) in runs.items():
        sizes = (_gigabytes(size) for size in (run.resident, run.anonymous, run.mapped))
        cells = "{:10.2f}{:11.2f}{:8.2f}".format(*sizes)
        print(f"{name:22}{most:14,}{cells}{run.seconds:9.0f}")
    resident = _gigabytes(ours.resident)
    ratio = ours.resident / peer.resident
    print(f"otx align over plain transformers: {ratio:.2f}")
    record(
        Result(
            f"peak resident memory of {given.steps} steps of XLM-R base (278 M parameters)",
            f"{resident:.2f} GB",
            f"{LIMIT:.0f} GB",
            resident <= LIMIT,
            f"plain transformers and AdamW, {_gigabytes(peer.resident):.2f} GB",
            ratio,
        )
    )
    if "otx align, real text" in runs:
        resident = _gigabytes(runs["otx align, real text"][0].resident)
        label = f"peak resident memory of {given.steps} steps of XLM-R base on real text of {len(SOURCES)} kinds"
        record(Result(label, f"{resident:.2f} GB", f"{LIMIT:.0f} GB", resident <= LIMIT))


def _gigabytes(mebibytes: float) -> float:
    return mebibytes * MEBIBYTE / 1e9


if __name__ == "__main__":
    main()
