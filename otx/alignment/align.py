"""Align an encoder: corpus -> pairs -> batches -> encoder -> objective -> step -> checkpoint -> run folder."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from otx.alignment import diagnostics
from otx.alignment.bitext_hashes import training_hashes
from otx.alignment.data import AlignmentData, BatchOrder, load_data, split_corpora
from otx.alignment.last_words import LastWords, resume_remedy
from otx.alignment.model_selection import BEST, ModelSelector, SelectionSettings
from otx.alignment.model_setup import prepare_model
from otx.alignment.peak_memory import PeakMemory, predict_peak
from otx.alignment.resume import (
    Differences,
    check_instances,
    check_resumable,
    inexact_differences,
    note_processes,
    record_inexact,
    recorded_threads,
    refuse_inexact,
)
from otx.alignment.run_record import (
    RunInputs,
    autocast_of,
    create_run,
    file_digests,
    note_plugin_changes,
)
from otx.alignment.run_summary import RunSummary, summarise_run, warnings_for
from otx.alignment.trainable import TrainableAlignment
from otx.data.overlap import count_hits
from otx.errors import Interrupted, UsageError
from otx.files import atomic
from otx.interfaces import Encoder
from otx.reporter import Reporter, Silent
from otx.runs.folder import RunFolder
from otx.runs.gradient_shares import gradient_shares
from otx.runs.measures import measure_text
from otx.runs.names import check_name
from otx.training import lora
from otx.training.components import components, effective_settings, plugin_versions
from otx.training.factories import (
    learning_rate,
    make_objective,
    objective_terms,
    open_encoder,
    options_in_force,
)
from otx.training.fit import FitHooks, Measurement, fit
from otx.training.observers import Observers
from otx.training.optimizer import FitSettings
from otx.training.processes import Processes, ProcessGroup, ProcessLost, open_processes
from otx.training.runtime import (
    StopSignals,
    choose_device,
    open_device,
    seed_step,
    warn_of_slow_bf16,
)
from otx.training.session import Session
from otx.training.sharded_encoders import (
    ShardedEncoder,
    refuse_whole_parameters,
    shard_encoders,
)
from otx.training.trial import try_encoder
from otx.training.vocabulary import Restriction, lift, restrict
from otx.training.weighted_objective import WeightedSum


@dataclass(frozen=True, slots=True)
class PreparedAlignment:
    """The encoder, the objectives and the text of an alignment.

    Attributes:
        encoder: The encoder, on its device, in evaluation mode.
        objective: The weighted objectives, on the same device.
        data: The text.
    """

    encoder: Encoder
    objective: WeightedSum
    data: AlignmentData


def align(
    session: Session,
    *,
    name: str | None = None,
    resume: RunFolder | None = None,
    inexact: bool = False,
) -> RunFolder:
    """Align an encoder, or resume an interrupted run.

    A resumed run ends in the same weights as an uninterrupted one, bit for bit on a CPU.

    Processes that torchrun started align one encoder together. Only the first writes the run and reports.

    Args:
        session: The settings (for a resumed run, those of its record), plugins and reporter.
        name: Name of a new run; None generates one.
        resume: The run to resume.
        inexact: Resume even if versions, threads or the device differ, so that the weights are not the same bit for
            bit. run.json records it.

    Returns:
        The folder of the finished run.

    Raises:
        UsageError: If the name is taken, or a setting does not fit the data.
        DataError: If a corpus or a model cannot be used.
        Interrupted: After SIGINT or SIGTERM; everything is saved (exit 5).
        TrainingError: If the loss is not finite, or a solver does not converge.
        CheckpointError: If what a resumed run was started with changed.
        ProcessLost: If another process of the run fails, is killed, or no longer answers.
    """
    with open_processes(choose_device(session.settings.runtime.device)) as processes:
        if not processes.is_first:
            session = replace(session, reporter=Silent())
        return _align(session, processes, name=name, resume=resume, inexact=inexact)


def _align(
    session: Session,
    processes: Processes,
    *,
    name: str | None,
    resume: RunFolder | None,
    inexact: bool,
) -> RunFolder:
    settings, reporter, host = session.settings, session.reporter, session.host
    if resume is not None:
        check_instances(resume, session.registry)
    if resume is None and name is not None and processes.is_first:
        check_name(Path(settings.runs.folder), name)
    with (
        StopSignals("run the same command again; nothing was lost") as signals,
        recorded_threads(resume, reporter, processes.count),
    ):
        prepared = prepare_alignment(session)
        encoder, data = prepared.encoder, prepared.data
        digest = encoder.digest()
        restriction = _restrict(prepared, settings.encoder.vocabulary, reporter)
        device = next(encoder.module.parameters()).device
        shards = (
            processes if isinstance(processes, ProcessGroup) and settings.runtime.shard else None
        )
        if shards is not None:
            refuse_whole_parameters(prepared.objective.views)
            # Copies are made there, and only a layer at a time comes back whole.
            encoder.module.to("cpu")
        auxiliary = prepare_model(session, encoder, prepared.objective)
        summary = _summarise(session, prepared)
        # Without align.teacher, the teacher is the initial encoder, whose digest is known.
        teacher = None if auxiliary.teacher is None else digest
        if auxiliary.teacher is not None and settings.align.teacher is not None:
            teacher = auxiliary.teacher.digest()
        trained = encoder
        if shards is not None:
            trained, auxiliary = shard_encoders(encoder, auxiliary, shards, device)
        job = TrainableAlignment(
            trained,
            prepared.objective,
            data,
            auxiliary,
            align=settings.align,
            word_vector=settings.encoder.word_vector,
            steps=summary.steps,
            processes=processes,
        )
        if not processes.is_first:
            return _follow(session, job, processes, signals)
        inputs = _inputs(session, prepared, summary, {"model": digest, "teacher": teacher})
        plugins = plugin_versions(components(session), host)
        run = resume or create_run(
            session,
            name,
            inputs,
            data,
            plugins=plugins,
            notes=list(encoder.notes),
            processes=processes.count,
        )
        observers = Observers(host, run)
        signals.remedy = resume_remedy(run, processes.count)
        with run.lock(), processes.watched(LastWords(run, processes.count)):
            differences: Differences = {}
            if resume is not None:
                check_resumable(run, inputs)
                differences = inexact_differences(run, settings.runtime, processes.count)
                if not inexact:
                    refuse_inexact(run, differences)
                note_processes(differences, reporter)
                note_plugin_changes(run, plugins, reporter)
            training = _Training(
                session=session,
                run=run,
                job=job,
                encoder=encoder,
                device=device,
                restriction=restriction,
                steps=summary.steps,
                signals=signals,
                observers=observers,
                differences=differences,
                processes=processes,
            )
            try:
                training.train()
            except (Exception, KeyboardInterrupt) as raised:
                # torchrun ends every process when one failed, which is no interruption of the run.
                error = LastWords(run, processes.count).with_checkpoint(processes.explain(raised))
                if isinstance(error, Interrupted | KeyboardInterrupt):
                    _end(run, observers, "interrupted")
                    raise
                reason = f"{type(error).__name__}: {error}"
                if isinstance(error, UsageError) and not any(run.checkpoints.glob("*")):
                    # Refused before the first step: nothing is lost, and the name is free again.
                    _end(run, observers, "failed", reason)
                    run.remove()
                    raise
                run.update(error=reason)
                _end(run, observers, "failed", reason)
                if error is raised:
                    raise
                raise error from raised
            # Everything is saved: a signal stops neither the observers, which have little time, nor the summary.
            with signals.deferred():
                _end(run, observers, "finished")
                # The others wait for this; that one of them is gone changes nothing any more.
                with suppress(ProcessLost):
                    processes.meet()
    return run


def _follow(
    session: Session, job: TrainableAlignment, processes: Processes, signals: StopSignals
) -> RunFolder:
    """Train as every process but the first: it neither writes nor reports, and waits while the first one does."""
    run = RunFolder(Path(processes.from_first("")))
    signals.remedy = resume_remedy(run, processes.count)
    settings = session.settings
    training = _Training(
        session=session,
        run=run,
        job=job,
        encoder=job.encoder,
        device=None,
        restriction=None,
        steps=job.steps,
        signals=signals,
        observers=None,
        differences={},
        processes=processes,
    )
    job.encoder.module.train(settings.encoder.dropout)
    words = LastWords(run, processes.count)
    try:
        with processes.watched(words):
            with signals.deferred():
                training.fit(training.selector())
            processes.meet()
    except ProcessLost as error:
        # A signal reaches all processes. The first one, outside the loop, ends at once and records why.
        if error.first_is_lost and RunFolder(run.path).record["status"] == "interrupted":
            raise Interrupted("interrupted", signals.remedy) from error
        full = words.with_checkpoint(error)
        if full.first_is_lost and processes.rank == 1:
            words.record(full)
        raise full from error
    return RunFolder(run.path)


def dry_run(session: Session, *, name: str | None = None) -> RunSummary:
    """Return what ``align`` would do, without writing a run folder.

    Args:
        session: The settings, plugins and reporter.
        name: Name of the run; refused as ``align`` would.

    Raises:
        UsageError: If the name is taken, or a setting does not fit the data.
        DataError: If a corpus or a model cannot be used.
    """
    settings = session.settings
    if name is not None:
        check_name(Path(settings.runs.folder), name)
    prepared = prepare_alignment(session)
    # Named, because what a restriction removed stays in memory.
    restriction = _restrict(prepared, settings.encoder.vocabulary, session.reporter)
    auxiliary = prepare_model(session, prepared.encoder, prepared.objective)
    summary = _summarise(session, prepared)
    job = TrainableAlignment(
        prepared.encoder,
        prepared.objective,
        prepared.data,
        auxiliary,
        align=settings.align,
        word_vector=settings.encoder.word_vector,
        steps=summary.steps,
    )
    memory = _predict(session, job)
    del restriction
    return replace(summary, memory=memory)


def _predict(session: Session, job: TrainableAlignment) -> PeakMemory | None:
    """Predict the peak of the memory; None, with a notice, if encoder or objectives do not permit it."""
    settings, reporter = session.settings, session.reporter
    reporter.stage("Predicting the peak memory with a part of the largest micro-batch")
    job.encoder.module.train(settings.encoder.dropout)
    try:
        return predict_peak(job, autocast_of(settings.runtime))
    except torch.OutOfMemoryError:
        reason = "already a part of the largest micro-batch does not fit: lower data.batch_tokens"
    # A plugin may raise anything; a run names the place and the remedy.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    reporter.notice(f"peak memory not predicted: {reason}")
    return None


def prepare_alignment(session: Session) -> PreparedAlignment:
    """Load the encoder, make the objectives, and read the text.

    Args:
        session: The settings, plugins and reporter.

    Raises:
        UsageError: If a setting does not fit the data.
        DataError: If a corpus or a model cannot be used.
    """
    settings, reporter, registry = session.settings, session.reporter, session.registry
    options = settings.option_tables
    device = open_device(settings.runtime.device)
    warn_of_slow_bf16(settings.runtime.dtype, device, reporter)
    reporter.stage(f"Loading encoder {settings.encoder.model}")
    encoder = open_encoder(settings.encoder.model, registry, options)
    seed_step(settings.align.seed, -1)
    terms = objective_terms(settings.align)
    objective = make_objective(terms, registry, options, encoder.dimension)
    # Both sides share one sequence in the tlm view.
    joined = any(view.joins_sides for view in objective.views)
    limit = encoder.max_length // 2 if joined else encoder.max_length
    encoder.module.to(device).eval()
    try_encoder(encoder, settings.encoder.layer)
    reporter.stage("Reading the corpora")
    data = load_data(
        split_corpora(settings.data, registry, options),
        encoder,
        reporter,
        data=settings.data,
        diagnostics=settings.diagnostics,
        order=BatchOrder(settings.align.seed, settings.optimizer.accumulate),
        max_length=min(limit, settings.encoder.max_length),
    )
    objective.to(device)
    return PreparedAlignment(encoder, objective, data)


def _inputs(
    session: Session,
    prepared: PreparedAlignment,
    summary: RunSummary,
    digests: dict[str, str | None],
) -> RunInputs:
    settings, registry = session.settings, session.registry
    terms = objective_terms(settings.align)
    options = options_in_force(settings.encoder.model, terms, registry, settings.option_tables)
    if digests["teacher"] is not None:
        options["teacher"] = {"digest": digests["teacher"]}
    return RunInputs(
        model_digest=str(digests["model"]),
        lr=learning_rate(settings.optimizer, prepared.encoder),
        seed=settings.align.seed,
        terms=terms,
        summary=summary,
        files=file_digests(settings.align, settings.diagnostics, prepared.data),
        options=options,
    )


def _summarise(session: Session, prepared: PreparedAlignment) -> RunSummary:
    """Return the summary, with a notice for each unusual count."""
    summary = summarise_run(session.settings.align, prepared.encoder, prepared.data)
    for line in warnings_for(prepared.encoder, summary):
        session.reporter.notice(line)
    return summary


def _restrict(
    prepared: PreparedAlignment, vocabulary: str, reporter: Reporter
) -> Restriction | None:
    """Restrict training to the sub-words of the training text, unless an objective predicts sub-words."""
    predicted = any(view.predicts_subwords for view in prepared.objective.views)
    if vocabulary == "whole" or predicted:
        return None
    ids = np.concatenate([tokens.vocabulary for tokens in prepared.data.tokenised])
    restriction = restrict(prepared.encoder, ids)
    if restriction is not None:
        count, total = len(restriction.rows.rows), restriction.embedding.num_embeddings
        reporter.stage(
            f"Training {count:,} of {total:,} sub-word embeddings: those in the training text"
        )
    return restriction


@dataclass(frozen=True, slots=True, kw_only=True)
class _Training:
    """The training of one run, with the diagnostics before and after it.

    ``encoder`` is whole: the one that is trained or, if that is sharded, one that takes its weights when it is measured
    or saved, in the first process. It is measured on ``device``; None leaves it where it is.
    """

    session: Session
    run: RunFolder
    job: TrainableAlignment
    encoder: Encoder
    device: torch.device | None
    restriction: Restriction | None
    steps: int
    signals: StopSignals
    observers: Observers | None
    differences: Differences
    processes: Processes

    def train(self) -> None:
        """Measure the initial encoder, train, save the encoder, and measure it."""
        settings, reporter, run = self.session.settings, self.session.reporter, self.run
        encoder, signals = self.encoder, self.signals
        selector = self.selector()
        self.processes.from_first(str(run.path))
        run.update(status="running", error=None)
        _count_gold(run, self.job.material, reporter)
        if "diagnostics" not in run.record:
            self._measure_before(selector)
        selector.refuse_ceiling(run.record["diagnostics"])
        self.job.encoder.module.train(settings.encoder.dropout)
        reporter.stage(f"Aligning with {', '.join(settings.align.objective)}: {self.steps} steps")
        with signals.deferred():
            self.fit(selector)
        # The others are done. One that ends must not end this process while it saves the model.
        self.processes.release()
        encoder.module.to(self.device).eval()
        run.update(best=selector.put_back())
        if settings.encoder.lora is not None:
            lora.merge(encoder)
        lift(encoder, self.restriction)
        _save_model(encoder, run)
        run.update(model_digest=encoder.digest(), gradient_shares=gradient_shares(run.metrics()))
        self._measure_after(selector)

    def fit(self, selector: ModelSelector) -> None:
        """Train to the last step. Raises Interrupted after a signal to any process; everything is saved."""
        # The first process may have measured the initial encoder for minutes.
        stopped, reached = self.processes.meet(self.signals.requested), 0
        if not stopped:
            reached = fit(
                self.job,
                self._fit_settings(),
                self.run.checkpoints,
                self._hooks(selector),
                processes=self.processes,
            )
            stopped = self.processes.meet(self.signals.requested)
        if not stopped:
            self.gather()
        if stopped:
            raise Interrupted(
                f"interrupted at step {reached} of {self.steps}; everything is saved in {self.run.path}",
                self.signals.remedy,
            )

    def gather(self) -> None:
        """Copy the weights of a sharded encoder into the first process's whole one; all processes call this."""
        if isinstance(self.job.encoder, ShardedEncoder):
            self.job.encoder.copy_to(self.encoder if self.processes.is_first else None)

    def selector(self) -> ModelSelector:
        settings = self.session.settings
        selection = SelectionSettings(
            diagnostics=settings.diagnostics,
            checkpoint_every=settings.checkpoint.every,
            layer=settings.encoder.layer,
            word_vector=settings.encoder.word_vector,
        )
        return ModelSelector(
            selection,
            self.encoder,
            self.job.material,
            folder=self.run.path / BEST,
            steps=self.steps,
            device=self.device,
        )

    def _measure_before(self, selector: ModelSelector) -> None:
        run, reporter = self.run, self.session.reporter
        reporter.stage("Measuring the initial encoder on held-out pairs")
        run.update(**selector.untouched(run.record["model_digest_before"]))
        before = run.record["guards"]["before"]
        if "retrieval" not in before:
            reporter.notice(
                "no pair is held out, so neither retrieval nor collapse is measured: "
                "data.heldout is 0, or there are too few pairs"
            )
        for metric, reason in run.record["diagnostics"]["report"]["ceilings"].items():
            text = measure_text(metric, before[metric])
            reporter.notice(f"{metric} before training, {text}: {reason}")

    def _measure_after(self, selector: ModelSelector) -> None:
        run, reporter = self.run, self.session.reporter
        reporter.stage("Measuring the aligned encoder on the same held-out pairs")
        after = selector.reported()
        before = run.record["guards"]["before"]
        first, last = diagnostics.loss_ends([row["loss"] for row in run.metrics()])
        still = after.ceilings().keys() & run.record["diagnostics"]["report"]["ceilings"].keys()
        verdict = diagnostics.verdict(first, last, before, after.numbers, at_ceiling=still)
        run.update(
            guards={"before": before, "after": after.numbers},
            loss={"first": first, "last": last},
            verdict=verdict,
        )
        for line in verdict:
            reporter.notice(line)

    def _fit_settings(self) -> FitSettings:
        settings = self.session.settings
        optimizer, checkpoint = settings.optimizer, settings.checkpoint
        return FitSettings(
            steps=self.steps,
            lr=learning_rate(optimizer, self.job.encoder),
            seed=settings.align.seed,
            warmup=optimizer.warmup,
            weight_decay=optimizer.weight_decay,
            clip=optimizer.clip,
            checkpoint_every=checkpoint.every,
            keep_checkpoints=checkpoint.keep,
            autocast=autocast_of(settings.runtime),
        )

    def _hooks(self, selector: ModelSelector) -> FitHooks:
        run, reporter, observers = self.run, self.session.reporter, self.observers
        measurement = _GatheredMeasurement(self, selector)
        if observers is None:
            return _silent_hooks(self.signals, measurement)
        every = self.session.settings.checkpoint.every

        def started(start: int, _: int) -> None:
            run.rewind(start)
            if self.differences:
                record_inexact(run, self.differences, start)
            observers.started(effective_settings(self.session), start)

        def step_finished(row: dict[str, Any]) -> None:
            step = int(row["step"])
            run.append_metrics(row, synced=step % every == 0 or step == self.steps)
            reporter.progress("align", step, self.steps, row)
            observers.step_finished(row)

        return FitHooks(
            started=started,
            step_finished=step_finished,
            checkpoint_saved=observers.checkpoint_saved,
            notice=reporter.notice,
            stop_requested=lambda: self.signals.requested,
            measurement=measurement,
        )


@dataclass(frozen=True, slots=True)
class _GatheredMeasurement:
    """The measurements of the first process, for which all processes gather the weights."""

    training: _Training
    selector: ModelSelector

    def is_due(self, step: int) -> bool:
        """Return whether the weights are measured after this step."""
        return self.selector.is_due(step)

    def look(self, step: int) -> dict[str, float]:
        """Measure in the first process."""
        self.training.gather()
        return self.selector.look(step) if self.training.processes.is_first else {}


def _silent_hooks(signals: StopSignals, measurement: Measurement) -> FitHooks:
    """Return the hooks of a process that neither writes nor reports."""
    return FitHooks(
        started=lambda start, steps: None,
        step_finished=lambda row: None,
        checkpoint_saved=lambda path: None,
        notice=lambda text: None,
        stop_requested=lambda: signals.requested,
        measurement=measurement,
    )


def _count_gold(run: RunFolder, data: AlignmentData, reporter: Reporter) -> None:
    """Count the sentences of the gold word links that are in the bitext, which makes the error rate optimistic."""
    hashes = training_hashes(run, data.train)
    texts = [" ".join(side) for pair in data.gold for side in (pair.source, pair.target)]
    hits = count_hits(texts, hashes) if texts else 0
    run.update(gold_in_bitext={"hits": hits, "size": len(texts)})
    if hits:
        reporter.notice(
            f"{hits:,} of the {len(texts):,} sentences of the gold word links are in the bitext"
        )


def _save_model(encoder: Encoder, run: RunFolder) -> None:
    """Write the aligned encoder, whole or not at all."""
    # The run is locked: no other process writes there.
    partial = run.path / ".partial-model"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    encoder.save(partial)
    atomic.publish(partial, run.model)


def _end(run: RunFolder, observers: Observers, status: str, reason: str | None = None) -> None:
    run.update(status=status)
    observers.finished(status, reason)
