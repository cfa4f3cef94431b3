"""`otx align`: corpus -> pairs -> batches -> encoder -> objective -> step -> checkpoint -> run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from otx.config import Settings
from otx.contracts import Encoder
from otx.data.overlap import count_hits
from otx.engine import guards
from otx.engine.composite import Composite
from otx.engine.fit import FitHooks, FitSettings, fit
from otx.engine.outline import Outline, make_outline, what_is_unusual
from otx.engine.prepare import (
    Material,
    count_idf,
    frozen_copy,
    gather,
    given_links,
    learning_rate,
    make_objective,
    open_encoder,
    options_in_force,
)
from otx.engine.record import HASHES, autocast_of, begin, refuse_changes
from otx.engine.report import Reporter
from otx.engine.runtime import StopSignals, open_device, seed_step
from otx.engine.views import PairBatch, Views, link_rows
from otx.errors import Interrupted
from otx.plugins import PluginHost
from otx.runs.folder import RunFolder, check_name
from otx.types import Loss

DESCRIBED_LINES = 8


class AlignJob:
    """Alignment as the loop sees it: the encoder, the objective's own parameters, and the batches of the bitext."""

    def __init__(
        self, settings: Settings, encoder: Encoder, objective: Composite, material: Material
    ) -> None:
        align, needs = settings.align, objective.needs
        frozen = needs.reference or (needs.links and align.links is None)
        self.encoder, self.objective, self.material = encoder, objective, material
        self.modules: Mapping[str, nn.Module] = {"encoder": encoder.module, "objective": objective}
        self.views = Views(
            encoder,
            needs,
            frozen_copy(encoder) if frozen else None,
            align.links_layer,
            align.word_vector,
        )
        self.idf = count_idf(material) if needs.idf else None
        self.links = given_links(settings, material) if needs.links else None

    def micro_batches(self, step: int) -> Sequence[tuple[int, np.ndarray]]:
        """(corpus, indices) of the step's micro-batches."""
        return self.material.plan.micro_batches(step)

    def loss(self, batch: tuple[int, np.ndarray]) -> Loss:
        """The composite objective's loss of one batch of one language pair."""
        loss: Loss = self.objective(self.views(self._collate(*batch)))
        return loss

    def gradients(self) -> dict[str, float]:
        """Norms of what each objective sent into the encoder in this step."""
        return self.objective.taps.norms()

    def describe(self, batch: tuple[int, np.ndarray]) -> str:
        """The corpus and the first lines of the batch."""
        number, indices = batch
        corpus = self.material.train[number]
        lines = [str(corpus[int(i)].line) for i in indices[:DESCRIBED_LINES]]
        more = (
            f" and {len(indices) - DESCRIBED_LINES} more" if len(indices) > DESCRIBED_LINES else ""
        )
        return f"pairs of {corpus.name} in lines {', '.join(lines)}{more}"

    def size(self, batch: tuple[int, np.ndarray]) -> tuple[int, int]:
        """(pairs, sub-words of both sides)."""
        number, indices = batch
        return len(indices), int(self.material.tokenised[number].lengths[indices].sum())

    def _collate(self, number: int, indices: np.ndarray) -> PairBatch:
        source_rows, pivot_rows, _ = self.material.tokenised[number].rows(indices)
        source, pivot = self.encoder.collate(source_rows), self.encoder.collate(pivot_rows)
        batch = PairBatch(source, pivot)
        given = None if self.links is None else self.links[number]
        if given is not None:
            batch.links = link_rows([sorted(given[int(i)]) for i in indices], source, pivot)
        if self.idf is not None:
            own, of_pivot = self.idf[number]
            batch.source_idf = torch.from_numpy(own.weights(source_rows)).to(source.ids.device)
            batch.pivot_idf = torch.from_numpy(of_pivot.weights(pivot_rows)).to(pivot.ids.device)
        return batch


def align(
    settings: Settings,
    host: PluginHost,
    reporter: Reporter,
    *,
    name: str | None = None,
    resume: RunFolder | None = None,
) -> RunFolder:
    """Run an alignment to its end and return its folder; with ``resume``, go on with that run.

    Raises UsageError for a name that is taken; Interrupted (exit 5) after SIGINT or SIGTERM, everything saved;
    TrainingError when the loop stops itself; CheckpointError when a resumed run's model, tokenizer, text or links are
    not what it was started with.
    """
    root = Path(settings.runs.folder)
    if resume is None and name is not None:
        check_name(root, name)
    device = open_device(settings.align.device)
    with StopSignals("start it again: nothing was lost") as signals:
        encoder, objective, material = _prepare(settings, host, reporter, device)
        job = AlignJob(settings, encoder, objective, material)
        outline = _outlined(settings, encoder, material, reporter)
        digest = encoder.digest()
        options = options_in_force(settings, host.registry)
        run = resume or begin(root, name, settings, encoder, digest, material, outline, options)
        signals.remedy = f"go on with: otx align --resume {run.name}"
        with run.lock():
            if resume is not None:
                refuse_changes(run, settings, digest, material, options)
            started = host.notify("otx_run_started", folder=run.path, settings=settings.as_dict())
            _record_failures(run, started)
            try:
                _train(settings, host, reporter, run, job, outline.steps, signals)
            except (Interrupted, KeyboardInterrupt):
                _end(run, host, "interrupted")
                raise
            except Exception as error:
                run.update(error=f"{type(error).__name__}: {error}")
                _end(run, host, "failed")
                raise
            _end(run, host, "finished")
    return run


def plan(settings: Settings, host: PluginHost, reporter: Reporter) -> Outline:
    """What ``align`` would do, writing no run folder (``--dry-run``)."""
    device = open_device(settings.align.device)
    encoder, _, material = _prepare(settings, host, reporter, device)
    return _outlined(settings, encoder, material, reporter)


def _outlined(
    settings: Settings, encoder: Encoder, material: Material, reporter: Reporter
) -> Outline:
    """The outline, with a notice for each thing that is unusual about it."""
    outline = make_outline(settings, encoder, material)
    for line in what_is_unusual(encoder, outline):
        reporter.notice(line)
    return outline


def _prepare(
    settings: Settings, host: PluginHost, reporter: Reporter, device: torch.device
) -> tuple[Encoder, Composite, Material]:
    reporter.stage(f"loading the encoder {settings.align.model}")
    encoder = open_encoder(settings.align.model, host.registry, settings)
    encoder.max_length = min(encoder.max_length, settings.align.max_length)
    seed_step(settings.align.seed, -1)
    objective = make_objective(settings, host.registry, encoder.dimension)
    material = gather(settings, host.registry, encoder, reporter)
    encoder.module.to(device).eval()
    objective.to(device)
    return encoder, objective, material


def _train(
    settings: Settings,
    host: PluginHost,
    reporter: Reporter,
    run: RunFolder,
    job: AlignJob,
    steps: int,
    signals: StopSignals,
) -> None:
    wanted, encoder, material = settings.align, job.encoder, job.material

    def measured() -> dict[str, float]:
        return guards.measure(
            encoder, material.report, material.gold, wanted.layer, wanted.word_vector
        )

    run.update(status="running", error=None)
    _count_gold(run, material, reporter)
    if "guards" not in run.record:
        reporter.stage("measuring the untouched encoder on held-out pairs")
        before = measured()
        run.update(guards={"before": before})
        if "retrieval" not in before:
            reporter.notice(
                "no pair is held out, so neither retrieval nor collapse is measured: "
                "align.heldout is 0, or there are too few pairs"
            )
    encoder.module.train(wanted.dropout)
    reporter.stage(f"aligning with {', '.join(wanted.objective)}: {steps} steps")
    with signals.deferred():
        reached = fit(
            job,
            _fit_settings(settings, encoder, steps),
            run.checkpoints,
            _hooks(run, host, reporter, steps, signals),
        )
        if signals.requested:
            raise Interrupted(
                f"interrupted at step {reached} of {steps}; everything is saved in {run.path}",
                signals.remedy,
            )
    encoder.module.eval()
    encoder.save(run.model)
    run.update(model_digest=encoder.digest())
    reporter.stage("measuring the aligned encoder on the same held-out pairs")
    after = measured()
    before = run.record["guards"]["before"]
    first, last = guards.loss_ends([row["loss"] for row in run.metrics()])
    verdict = guards.verdict(first, last, before, after)
    run.update(
        guards={"before": before, "after": after},
        loss={"first": first, "last": last},
        verdict=verdict,
    )
    for line in verdict:
        reporter.notice(line)


def _count_gold(run: RunFolder, material: Material, reporter: Reporter) -> None:
    """How many sentences of the gold word links the bitext holds: their error is then no clean number."""
    texts = [" ".join(side) for pair in material.gold for side in (pair.source, pair.target)]
    hits = count_hits(texts, np.load(run.path / HASHES)) if texts else 0
    run.update(gold_in_bitext={"hits": hits, "size": len(texts)})
    if hits:
        reporter.notice(
            f"{hits:,} of the {len(texts):,} sentences of the gold word links are in the bitext"
        )


def _fit_settings(settings: Settings, encoder: Encoder, steps: int) -> FitSettings:
    wanted = settings.align
    return FitSettings(
        steps=steps,
        lr=learning_rate(settings, encoder),
        seed=wanted.seed,
        warmup=wanted.warmup,
        weight_decay=wanted.weight_decay,
        clip=wanted.clip,
        checkpoint_every=wanted.checkpoint_every,
        keep_checkpoints=wanted.keep_checkpoints,
        autocast=autocast_of(settings),
    )


def _hooks(
    run: RunFolder, host: PluginHost, reporter: Reporter, steps: int, signals: StopSignals
) -> FitHooks:
    def step_finished(row: dict[str, float]) -> None:
        run.append_metrics(row)
        reporter.progress("align", int(row["step"]), steps, row)
        _record_failures(
            run,
            host.notify("otx_step_finished", folder=run.path, step=int(row["step"]), metrics=row),
        )

    def checkpoint_saved(path: Path) -> None:
        _record_failures(run, host.notify("otx_checkpoint_saved", folder=run.path, checkpoint=path))

    return FitHooks(
        lambda start, _: run.rewind(start),
        step_finished,
        checkpoint_saved,
        reporter.notice,
        lambda: signals.requested,
    )


def _record_failures(run: RunFolder, failures: Sequence[str]) -> None:
    if failures:
        run.update(observer_failures=[*run.record.get("observer_failures", []), *failures])


def _end(run: RunFolder, host: PluginHost, status: str) -> None:
    run.update(status=status)
    _record_failures(run, host.notify("otx_run_finished", folder=run.path, status=status))
