"""Train objectives in one process and in two, and print how far the two are apart; every test's process runs this.

    python -m tests.training.two_processes MODEL CORPUS [--shard] [NAME...]

With --shard, the encoders of the two processes are sharded. torchrun's environment variables say which process this is.
The first process prints one JSON object: for each case, the largest difference of the weights after some steps in
float64, and of the gradients of one step in float32, relative to the largest gradient.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from otx.alignment.align import PreparedAlignment, prepare_alignment
from otx.alignment.model_setup import prepare_model
from otx.alignment.trainable import TrainableAlignment
from otx.api.opening import open_session
from otx.interfaces import Encoder
from otx.training.factories import make_objective, objective_terms
from otx.training.fit import FitHooks, fit
from otx.training.optimizer import FitSettings, trained_parameters
from otx.training.processes import ALONE, Processes, ProcessGroup, open_processes
from otx.training.reduction import make_reduction
from otx.training.runtime import seed_step
from otx.training.session import Session
from otx.training.sharded_encoders import shard_encoders
from otx.training.sharded_tensors import gathered
from otx.training.vocabulary import restrict

STEPS = 10

Case = tuple[list[str], dict[str, Any]]

TRANSPORT = (
    "sinkhorn",
    "divergence",
    "annealed",
    "annealed-divergence",
    "unbalanced",
    "semi-relaxed",
    "partial",
    "null",
    "fused-gromov",
    "gaussian",
    "sliced",
    "transport-label",
)
VARIANTS: dict[str, Case] = {
    "queue": (["sentence-contrastive"], {"sentence-contrastive.queue": 8}),
    "projector": (["contrastive"], {"contrastive.projector": 6, "contrastive.strength": "strong"}),
    "parameters": (["l2", "keep-close"], {"keep-close.kind": "parameters"}),
    "sum": (["l2", "0.01*keep-close"], {"keep-close.reduction": "sum"}),
    "distill-sentence": (["distill"], {"distill.form": "sentence"}),
    "orthogonal": (["linear"], {"linear.orthogonal": True}),
    "idf": (["sinkhorn"], {"sinkhorn.marginals": "idf", "sinkhorn.scope": "batch"}),
    "mixed": (["sinkhorn", "0.5*contrastive", "0.1*tlm", "0.1*adversarial"], {}),
    "later": (["l2", "0..1@0.5*adversarial"], {}),
    "accumulated": (["sinkhorn", "contrastive"], {"optimizer.accumulate": 3}),
    "single": (["sinkhorn", "0.1*tlm", "contrastive"], {"data.batch_tokens": 20}),
    "lora": (["sinkhorn"], {"encoder.lora": 2}),
    "frozen": (["sinkhorn"], {"encoder.freeze": ["embeddings", "lower"]}),
    "recompute": (["sinkhorn"], {"encoder.recompute": True}),
}


def cases(names: list[str]) -> dict[str, Case]:
    """Return every registered objective by its name, transport pooled over the batch, and variants."""
    registry = open_session().registry
    objectives = [entry.name for entry in registry.entries("objective")]
    alone: dict[str, Case] = {name: ([name], {}) for name in objectives}
    pooled: dict[str, Case] = {}
    for name in TRANSPORT:
        if name in objectives:
            other = "sentence" if name in ("divergence", "gaussian") else "batch"
            pooled[f"{name}-{other}"] = ([name], {f"{name}.scope": other})
    every = alone | pooled | VARIANTS
    if "lora" in every and not _has_peft():
        del every["lora"]
    return {name: every[name] for name in names or every}


def _has_peft() -> bool:
    from importlib.util import find_spec

    return find_spec("peft") is not None


def session_of(model: str, corpus: str, case: Case, shard: bool = False) -> Session:
    """Return the session of a case: small batches, no dropout."""
    objectives, options = case
    settings = {
        "data.batch_tokens": 300,
        "data.heldout": 0,
        "optimizer.lr": 1e-3,
        "encoder.dropout": False,
        "align.momentum": 0.9,
        "align.links_layer": 0,
        "runtime.shard": shard,
    }
    arguments = {"encoder.model": model, "data.corpus": corpus, "align.objective": objectives}
    return open_session(arguments, settings | options)


def job_of(
    session: Session, prepared: PreparedAlignment, dtype: torch.dtype, processes: Processes
) -> TrainableAlignment:
    """Return a new job on a copy of the encoder, in evaluation mode, as ``align`` makes it."""
    settings = session.settings
    encoder = copy.deepcopy(prepared.encoder)
    encoder.module.to(dtype)
    seed_step(settings.align.seed, -1)
    objective = make_objective(
        objective_terms(settings.align), session.registry, settings.option_tables, encoder.dimension
    ).to(dtype)
    if not any(view.predicts_subwords for view in objective.views):
        ids = np.concatenate([tokens.vocabulary for tokens in prepared.data.tokenised])
        restrict(encoder, ids)
    auxiliary = prepare_model(session, encoder, objective)
    trained = encoder
    shards = settings.runtime.shard and isinstance(processes, ProcessGroup)
    if shards:
        _move(encoder)
        device = torch.device("cpu")
        trained, auxiliary = shard_encoders(encoder, auxiliary, processes, device)
    job = TrainableAlignment(
        trained,
        objective,
        prepared.data,
        auxiliary,
        align=settings.align,
        word_vector=settings.encoder.word_vector,
        steps=STEPS,
        processes=processes,
    )
    if not shards:
        _move(encoder)
    return job


@torch.no_grad()
def _move(encoder: Encoder) -> None:
    """Move the weights away from the initial ones, where terms such as keep-close have no gradient."""
    random = torch.Generator().manual_seed(0)
    for parameter in trained_parameters({"encoder": encoder.module}):
        parameter += 0.02 * torch.randn(parameter.shape, generator=random)


def silent_hooks(rows: list[dict[str, float]]) -> FitHooks:
    """Return hooks that only keep the rows."""
    return FitHooks(
        started=lambda start, steps: None,
        step_finished=rows.append,
        checkpoint_saved=lambda path: None,
        notice=lambda text: None,
        stop_requested=lambda: False,
    )


def state(job: TrainableAlignment) -> dict[str, Tensor]:
    """Return copies of all weights and buffers."""
    return {
        f"{name}.{key}": gathered(value.detach()).clone()
        for name, module in job.modules.items()
        for key, value in module.state_dict().items()
    }


def trained(job: TrainableAlignment, session: Session, processes: Processes) -> dict[str, Tensor]:
    """Train, and return the weights, with the numbers of all steps."""
    rows: list[dict[str, float]] = []
    settings = FitSettings(steps=STEPS, lr=1e-3, seed=session.settings.align.seed, clip=1.0)
    with tempfile.TemporaryDirectory() as folder:
        fit(job, settings, Path(folder), silent_hooks(rows), processes=processes)
    numbers = {
        f"row {row['step']} {name}": torch.tensor(value)
        for row in rows
        for name, value in row.items()
        if name != "seconds" and not name.endswith(("iterations", "marginal_error"))
    }
    return state(job) | numbers


def gradients(job: TrainableAlignment, processes: Processes) -> dict[str, Tensor]:
    """Return the gradients of the first step."""
    parameters = trained_parameters(job.modules)
    reduction = make_reduction(processes, parameters)
    batches = job.micro_batches(0)
    for number, batch in enumerate(batches, 1):
        loss = job.loss(job.prepare(batch))
        reduction.backward(loss.value / len(batches), last=number == len(batches))
    reduction.finish(torch.zeros(()))
    reduction.close()
    return {str(n): gathered(p.grad) for n, p in enumerate(parameters) if p.grad is not None}


def distance(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """Return the largest difference; infinite if the names differ."""
    if one.keys() != other.keys():
        return float("inf")
    gaps = [(one[key].double() - other[key].double()).abs().flatten() for key in one]
    return float(torch.cat(gaps).max())


def split_rows(values: Mapping[str, Tensor], rows: bool) -> dict[str, Tensor]:
    """Return the numbers of the steps, or else the weights."""
    return {key: value for key, value in values.items() if key.startswith("row ") == rows}


def measure(session: Session, prepared: PreparedAlignment, processes: Processes) -> dict[str, Any]:
    """Return the distances between one process and several, in the first process, which also is that one."""
    both = [ALONE, processes] if processes.is_first else [processes]
    weights = [trained(job_of(session, prepared, torch.float64, p), session, p) for p in both]
    sent = [gradients(job_of(session, prepared, torch.float32, p), p) for p in both]
    sums = processes.gather(
        [float(value.double().sum()) for value in split_rows(weights[-1], False).values()]
    )
    if not processes.is_first:
        return {}
    assert all(one == sums[0] for one in sums), "the processes have other weights"
    largest = max(float(gradient.abs().max()) for gradient in sent[0].values())
    return {
        "weights": distance(*(split_rows(one, False) for one in weights)),
        "gradients": distance(*sent) / largest,
        "rows": distance(*(split_rows(one, True) for one in weights)),
    }


def main(model: str, corpus: str, names: list[str]) -> None:
    """Measure every case, and print the distances in the first process."""
    torch.set_num_threads(1)
    shard = "--shard" in names
    names = [name for name in names if name != "--shard"]
    results = {}
    prepared: dict[tuple[Any, ...], PreparedAlignment] = {}
    with open_processes(torch.device("cpu")) as processes:
        for name, case in cases(names).items():
            if shard and name == "parameters":
                # Refused: it reads whole parameters.
                continue
            session = session_of(model, corpus, case, shard)
            key = tuple(case[1].get(k) for k in ("data.batch_tokens", "optimizer.accumulate"))
            key += ("tlm" in " ".join(case[0]),)
            if key not in prepared:
                prepared[key] = prepare_alignment(session)
            results[name] = measure(session, prepared[key], processes)
        if processes.is_first:
            print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
