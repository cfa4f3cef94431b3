"""`otx align`: corpus -> pairs -> batches -> encoder -> objective -> step -> checkpoint -> run folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from otx.alignment import diagnostics
from otx.alignment.bitext_hashes import training_hashes
from otx.alignment.data import AlignmentData, load_data
from otx.alignment.model_selection import BEST, ModelSelector
from otx.alignment.model_setup import prepare_model
from otx.alignment.resume import (
    Differences,
    check_resumable,
    inexact_differences,
    record_inexact,
    recorded_threads,
    refuse_inexact,
)
from otx.alignment.run_record import autocast_of, create_run, note_plugin_changes
from otx.alignment.run_summary import RunSummary, summarise_run, warnings_for
from otx.alignment.trainable import TrainableAlignment
from otx.config.settings import Settings
from otx.data.overlap import count_hits
from otx.errors import Interrupted, UsageError
from otx.interfaces import Encoder
from otx.plugin_host.host import PluginHost
from otx.reporter import Reporter
from otx.runs.folder import RunFolder, check_name
from otx.runs.gradient_shares import gradient_shares
from otx.runs.measures import measure_text
from otx.training import lora
from otx.training.components import components, plugin_versions
from otx.training.factories import learning_rate, make_objective, open_encoder, options_in_force
from otx.training.fit import FitHooks, FitSettings, fit
from otx.training.observers import Observers
from otx.training.runtime import StopSignals, open_device, seed_step, warn_of_slow_bf16
from otx.training.trial import try_encoder
from otx.training.vocabulary import Restriction, lift, restrict
from otx.training.weighted_objective import WeightedSum


def align(
    settings: Settings,
    host: PluginHost,
    reporter: Reporter,
    *,
    name: str | None = None,
    resume: RunFolder | None = None,
    inexact: bool = False,
) -> RunFolder:
    """Align an encoder, or resume an interrupted run.

    A resumed run ends in the weights of one never stopped, bit for bit on a CPU.

    Args:
        settings: What to do; for a resumed run, the settings of its record.
        host: The plugins.
        reporter: Receives stages, progress and notices.
        name: The run's name; without one, it is generated.
        resume: The run to resume.
        inexact: Whether to resume where that is not exact: with other versions, threads or device. run.json records it.

    Returns:
        The run's folder.

    Raises:
        UsageError: If the name is taken, or a setting does not fit the data.
        Interrupted: After SIGINT or SIGTERM, everything saved (exit 5).
        TrainingError: If the loop stops itself.
        CheckpointError: If what a resumed run was started with changed.
    """
    root = Path(settings.runs.folder)
    if resume is None and name is not None:
        check_name(root, name)
    device = open_device(settings.runtime.device)
    with (
        StopSignals("start it again: nothing was lost") as signals,
        recorded_threads(resume, reporter),
    ):
        encoder, objective, material = _prepare(settings, host, reporter, device)
        digest = encoder.digest()
        restriction = _restrict(settings, encoder, objective, material, reporter)
        beside = prepare_model(settings, host, encoder, objective)
        job = TrainableAlignment(settings, encoder, objective, material, beside)
        outline = _outlined(settings, encoder, material, reporter)
        options = options_in_force(settings, host.registry)
        if beside.teacher is not None:
            # Without align.teacher it is the encoder as it was, whose digest is known.
            own = settings.align.teacher is None
            options["teacher"] = {"digest": digest if own else beside.teacher.digest()}
        plugins = plugin_versions(components(settings, host.registry), host)
        run = resume or create_run(
            root, name, settings, encoder, digest, material, outline, options, plugins
        )
        observers = Observers(host, run)
        signals.remedy = f"go on with: otx align --resume {run.name}"
        with run.lock():
            differences: Differences = {}
            if resume is not None:
                check_resumable(run, settings, encoder, digest, material, outline, options)
                differences = inexact_differences(run, settings)
                if not inexact:
                    refuse_inexact(run, differences)
                note_plugin_changes(run, plugins, reporter)
            try:
                _train(
                    settings,
                    reporter,
                    run,
                    job,
                    restriction,
                    outline.steps,
                    signals,
                    observers,
                    differences,
                )
            except (Interrupted, KeyboardInterrupt):
                _end(run, observers, "interrupted")
                raise
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                if isinstance(error, UsageError) and not any(run.checkpoints.glob("*")):
                    # Refused before the first step: nothing is lost, and the name is free again.
                    _end(run, observers, "failed", reason)
                    run.remove()
                    raise
                run.update(error=reason)
                _end(run, observers, "failed", reason)
                raise
            # Everything is saved: a signal stops neither the observers, whose patience is short, nor the summary.
            with signals.deferred():
                _end(run, observers, "finished")
    return run


def plan(settings: Settings, host: PluginHost, reporter: Reporter) -> RunSummary:
    """What ``align`` would do, writing no run folder (``--dry-run``)."""
    device = open_device(settings.runtime.device)
    encoder, objective, material = _prepare(settings, host, reporter, device)
    _restrict(settings, encoder, objective, material, reporter)
    prepare_model(settings, host, encoder, objective)
    return _outlined(settings, encoder, material, reporter)


def _outlined(
    settings: Settings, encoder: Encoder, material: AlignmentData, reporter: Reporter
) -> RunSummary:
    """The outline, with a notice for each thing that is unusual about it."""
    outline = summarise_run(settings, encoder, material)
    for line in warnings_for(encoder, outline):
        reporter.notice(line)
    return outline


def _prepare(
    settings: Settings, host: PluginHost, reporter: Reporter, device: torch.device
) -> tuple[Encoder, WeightedSum, AlignmentData]:
    warn_of_slow_bf16(settings.runtime.dtype, device, reporter)
    reporter.stage(f"loading the encoder {settings.encoder.model}")
    encoder = open_encoder(settings.encoder.model, host.registry, settings)
    seed_step(settings.align.seed, -1)
    objective = make_objective(settings, host.registry, encoder.dimension)
    # Both sides share one sequence in the tlm view.
    room = encoder.max_length // 2 if objective.needs.tlm else encoder.max_length
    max_length = min(room, settings.encoder.max_length)
    encoder.module.to(device).eval()
    try_encoder(encoder, settings.encoder.layer)
    material = load_data(settings, host.registry, encoder, reporter, max_length=max_length)
    objective.to(device)
    return encoder, objective, material


def _restrict(
    settings: Settings,
    encoder: Encoder,
    objective: WeightedSum,
    material: AlignmentData,
    reporter: Reporter,
) -> Restriction | None:
    """Restrict training to the sub-words of the training text, unless an objective predicts sub-words."""
    needs = objective.needs
    if settings.encoder.vocabulary == "whole" or needs.masked or needs.tlm:
        return None
    restriction = restrict(encoder, np.concatenate([p.vocabulary for p in material.tokenised]))
    if restriction is not None:
        count, total = len(restriction.rows.rows), restriction.embedding.num_embeddings
        reporter.stage(
            f"training {count:,} of {total:,} sub-word embeddings: those in the training text"
        )
    return restriction


def _train(
    settings: Settings,
    reporter: Reporter,
    run: RunFolder,
    job: TrainableAlignment,
    restriction: Restriction | None,
    steps: int,
    signals: StopSignals,
    observers: Observers,
    differences: Differences,
) -> None:
    encoder, material = job.encoder, job.material
    watch = ModelSelector(settings, encoder, material, run.path / BEST, steps)
    run.update(status="running", error=None)
    _count_gold(run, material, reporter)
    if "diagnostics" not in run.record:
        reporter.stage("measuring the untouched encoder on held-out pairs")
        run.update(**watch.untouched())
        if "retrieval" not in run.record["guards"]["before"]:
            reporter.notice(
                "no pair is held out, so neither retrieval nor collapse is measured: "
                "data.heldout is 0, or there are too few pairs"
            )
        for metric, reason in run.record["diagnostics"]["report"]["ceilings"].items():
            value = run.record["guards"]["before"][metric]
            reporter.notice(f"{metric} before training, {measure_text(metric, value)}: {reason}")
    watch.refuse_ceiling(run.record["diagnostics"])
    encoder.module.train(settings.encoder.dropout)
    reporter.stage(f"aligning with {', '.join(settings.align.objective)}: {steps} steps")
    with signals.deferred():
        reached = fit(
            job,
            _fit_settings(settings, encoder, steps),
            run.checkpoints,
            _hooks(settings, reporter, run, steps, signals, watch, observers, differences),
        )
        if signals.requested:
            raise Interrupted(
                f"interrupted at step {reached} of {steps}; everything is saved in {run.path}",
                signals.remedy,
            )
    encoder.module.eval()
    run.update(best=watch.put_back())
    if settings.encoder.lora is not None:
        lora.merge(encoder)
    lift(encoder, restriction)
    encoder.save(run.model)
    run.update(model_digest=encoder.digest(), gradient_shares=gradient_shares(run.metrics()))
    reporter.stage("measuring the aligned encoder on the same held-out pairs")
    after = watch.reported()
    before = run.record["guards"]["before"]
    first, last = diagnostics.loss_ends([row["loss"] for row in run.metrics()])
    still = after.ceilings().keys() & run.record["diagnostics"]["report"]["ceilings"].keys()
    verdict = diagnostics.verdict(first, last, before, after.numbers, still)
    run.update(
        guards={"before": before, "after": after.numbers},
        loss={"first": first, "last": last},
        verdict=verdict,
    )
    for line in verdict:
        reporter.notice(line)


def _count_gold(run: RunFolder, material: AlignmentData, reporter: Reporter) -> None:
    """How many sentences of the gold word links the bitext holds: their error is then no clean number."""
    hashes = training_hashes(run, material.train)
    texts = [" ".join(side) for pair in material.gold for side in (pair.source, pair.target)]
    hits = count_hits(texts, hashes) if texts else 0
    run.update(gold_in_bitext={"hits": hits, "size": len(texts)})
    if hits:
        reporter.notice(
            f"{hits:,} of the {len(texts):,} sentences of the gold word links are in the bitext"
        )


def _fit_settings(settings: Settings, encoder: Encoder, steps: int) -> FitSettings:
    optimizer, checkpoint = settings.optimizer, settings.checkpoint
    return FitSettings(
        steps=steps,
        lr=learning_rate(settings, encoder),
        seed=settings.align.seed,
        warmup=optimizer.warmup,
        weight_decay=optimizer.weight_decay,
        clip=optimizer.clip,
        checkpoint_every=checkpoint.every,
        keep_checkpoints=checkpoint.keep,
        autocast=autocast_of(settings),
    )


def _hooks(
    settings: Settings,
    reporter: Reporter,
    run: RunFolder,
    steps: int,
    signals: StopSignals,
    watch: ModelSelector,
    observers: Observers,
    differences: Differences,
) -> FitHooks:
    def started(start: int, _: int) -> None:
        run.rewind(start)
        if differences:
            record_inexact(run, differences, start)
        observers.started(settings, start)

    def step_finished(row: dict[str, float]) -> None:
        row = row | watch.look(int(row["step"]))
        step = int(row["step"])
        run.append_metrics(row, synced=step % settings.checkpoint.every == 0 or step == steps)
        reporter.progress("align", int(row["step"]), steps, row)
        observers.step_finished(row)

    return FitHooks(
        started,
        step_finished,
        observers.checkpoint_saved,
        reporter.notice,
        lambda: signals.requested,
    )


def _end(run: RunFolder, observers: Observers, status: str, reason: str | None = None) -> None:
    run.update(status=status)
    observers.finished(status, reason)
