"""`otx align`: corpus -> pairs -> batches -> encoder -> objective -> step -> checkpoint -> run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import nn

from otx.config import Settings
from otx.contracts import Encoder
from otx.data.cache import cache_folder
from otx.data.joined import join
from otx.data.overlap import count_hits
from otx.data.tokenised import tokenise
from otx.engine import guards, lora
from otx.engine.composite import Composite
from otx.engine.fit import FitHooks, FitSettings, fit
from otx.engine.frozen import Beside, follow, freeze_all, frozen_copy
from otx.engine.layers import freeze, recompute
from otx.engine.outline import Outline, make_outline, what_is_unusual
from otx.engine.prepare import (
    Material,
    count_idf,
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
from otx.engine.watch import BEST, Watch
from otx.errors import Interrupted, UsageError
from otx.plugins import PluginHost
from otx.runs.folder import RunFolder, check_name
from otx.types import Loss, Part

DESCRIBED_LINES = 8


class AlignJob:
    """Alignment as the loop sees it: the encoder, the objective's own parameters, and the batches of the bitext."""

    def __init__(
        self,
        settings: Settings,
        encoder: Encoder,
        objective: Composite,
        material: Material,
        beside: Beside,
    ) -> None:
        align, needs = settings.align, objective.needs
        self.encoder, self.objective, self.material = encoder, objective, material
        self.inertia = align.momentum
        self.beside = beside
        modules: dict[str, nn.Module] = {"encoder": encoder.module, "objective": objective}
        if beside.momentum is not None:
            modules["momentum"] = beside.momentum.module
        self.modules: Mapping[str, nn.Module] = modules
        self.views = Views(encoder, needs, beside, align.links_layer, align.word_vector)
        self.taught = None
        if beside.teacher is not None:
            teacher, cache = beside.teacher, cache_folder()
            self.taught = [tokenise(corpus, teacher, cache) for corpus in material.train]
        self.idf = count_idf(material) if needs.idf else None
        self.links = given_links(settings, material) if needs.links else None

    def begin(self, step: int, steps: int) -> None:
        """Weights of this moment's terms; the moving average takes in what the last step made."""
        # The middle of the step: a weight that rises from 0 is above it from the first step on.
        self.objective.at((step + 0.5) / steps)
        if self.beside.momentum is not None and step > 0:
            follow(self.beside.momentum, self.encoder, self.inertia)

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
        if self.objective.needs.tlm:
            batch.joined = join(self.encoder, source_rows, pivot_rows)
        if self.taught is not None and self.beside.teacher is not None:
            _, taught, _ = self.taught[number].rows(indices)
            batch.teacher_pivot = self.beside.teacher.collate(taught)
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
        digest = encoder.digest()
        beside = _fit_out(settings, host, encoder, objective)
        job = AlignJob(settings, encoder, objective, material, beside)
        outline = _outlined(settings, encoder, material, reporter)
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
    encoder, objective, material = _prepare(settings, host, reporter, device)
    _fit_out(settings, host, encoder, objective)
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
    seed_step(settings.align.seed, -1)
    objective = make_objective(settings, host.registry, encoder.dimension)
    # Both sides share one sequence in the tlm view.
    room = encoder.max_length // 2 if objective.needs.tlm else encoder.max_length
    encoder.max_length = min(room, settings.align.max_length)
    material = gather(settings, host.registry, encoder, reporter)
    encoder.module.to(device).eval()
    objective.to(device)
    return encoder, objective, material


def _fit_out(
    settings: Settings, host: PluginHost, encoder: Encoder, objective: Composite
) -> Beside:
    """Set up what of the encoder is trained, and the frozen encoders beside it."""
    wanted, needs = settings.align, objective.needs
    sought = needs.links and wanted.links is None
    untaught = needs.teacher and wanted.teacher is None
    initial = frozen_copy(encoder) if needs.reference or sought or untaught else None
    teacher = initial if untaught else None
    if needs.teacher and wanted.teacher is not None:
        teacher = open_encoder(wanted.teacher, host.registry, settings)
        teacher.module.to(next(encoder.module.parameters()).device)
        freeze_all(teacher)
    if wanted.lora is not None:
        lora.add(encoder, wanted.lora)
    freeze(encoder, wanted.freeze)
    _refuse_idleness(wanted.freeze, objective)
    momentum = frozen_copy(encoder) if needs.momentum else None
    if wanted.recompute:
        recompute(encoder)
    return Beside(initial if needs.reference or sought else None, momentum, teacher)


def _refuse_idleness(frozen: Sequence[Part], objective: Composite) -> None:
    """A frozen encoder trains nothing but what an objective owns, and the language-model head."""
    needs = objective.needs
    heads = needs.masked or needs.tlm or any(True for _ in objective.parameters())
    if set(frozen) == set(get_args(Part)) and not heads:
        raise UsageError(
            f"nothing is left to train: align.freeze is {', '.join(frozen)}, and "
            f"{', '.join(term.name for term in objective.wanted)} have no parameters of their own",
            "freeze less of the encoder",
        )


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
    watch = Watch(settings, encoder, material, run.path / BEST)
    run.update(status="running", error=None)
    _count_gold(run, material, reporter)
    if "guards" not in run.record:
        reporter.stage("measuring the untouched encoder on held-out pairs")
        before = watch.reported()
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
            _hooks(run, host, reporter, steps, signals, watch),
        )
        if signals.requested:
            raise Interrupted(
                f"interrupted at step {reached} of {steps}; everything is saved in {run.path}",
                signals.remedy,
            )
    encoder.module.eval()
    run.update(best=watch.put_back())
    if wanted.lora is not None:
        lora.merge(encoder)
    encoder.save(run.model)
    run.update(model_digest=encoder.digest(), gradient_shares=_gradient_shares(run))
    reporter.stage("measuring the aligned encoder on the same held-out pairs")
    after = watch.reported()
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


def _gradient_shares(run: RunFolder) -> dict[str, float]:
    """Each term's share of the norms that the terms sent into the encoder, on average over the steps."""
    ending = ".gradient"
    sums: dict[str, float] = {}
    for row in run.metrics():
        sent = {name: value for name, value in row.items() if name.endswith(ending)}
        total = sum(sent.values())
        for name, value in sent.items():
            name = name.removesuffix(ending)
            sums[name] = sums.get(name, 0.0) + (value / total if total else 0.0)
    steps = sum(sums.values()) or 1.0
    return {name: value / steps for name, value in sums.items()}


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
    run: RunFolder,
    host: PluginHost,
    reporter: Reporter,
    steps: int,
    signals: StopSignals,
    watch: Watch,
) -> FitHooks:
    def step_finished(row: dict[str, float]) -> None:
        row = row | watch.look(int(row["step"]))
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
