"""Fine-tune the heads of one task on one encoder: resume, keep, reuse and judge them."""

from __future__ import annotations

import copy
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from otx.alignment.resume import circumstances_of
from otx.evaluation import finetuned_models
from otx.evaluation.development import Development
from otx.evaluation.finetune import Predictor, metrics_of, predictor, train_head
from otx.evaluation.fit_quality import FitQuality, judge_fit
from otx.evaluation.open_encoder import OpenEncoder
from otx.evaluation.unit_keys import KeyMaker
from otx.evaluation.unit_store import UnitStore
from otx.files.digests import content_key
from otx.interfaces import TransferTask
from otx.runs.layout import number
from otx.training.fit import FitHooks
from otx.training.runtime import StopSignals, choose_device
from otx.training.session import Session


class HeadFitter:
    """Fine-tune the heads of a task, one per seed.

    Args:
        session: Tables ``[eval]``, ``[encoder]`` and ``[runtime]``, and the reporter.
        task: The task.
        model: The encoder; it is not changed.
        keys: Keys of the task on this encoder.
        store: Units of the run.
        signals: Signals that stop a fine-tuning after a step.

    Attributes:
        qualities: Verdict on each fine-tuning of this process, by seed.
    """

    def __init__(
        self,
        session: Session,
        task: TransferTask,
        *,
        model: OpenEncoder,
        keys: KeyMaker,
        store: UnitStore,
        signals: StopSignals,
    ) -> None:
        self.session, self.task, self.model = session, task, model
        self.keys, self.store, self.signals = keys, store, signals
        self.qualities: dict[int, FitQuality] = {}
        self._name = task.info.name
        self._run = store.run

    def fit(self, seed: int) -> Predictor:
        """Return a predictor with a head fine-tuned on the source language.

        A model that was kept for other languages is reused; an interrupted fine-tuning is resumed.

        Args:
            seed: Seed of the head.

        Raises:
            DataError: If the training data cannot be used.
            Interrupted: After a signal.
        """
        return self._kept(seed) or self._train(seed)

    def remove_scratch(self, seed: int) -> None:
        """Remove the checkpoints of a fine-tuning whose units are all written.

        Args:
            seed: Seed of the head.
        """
        scratch = self._scratch_folder(seed)
        for folder in scratch.parent.glob(f"{scratch.name.rpartition('-')[0]}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _kept(self, seed: int) -> Predictor | None:
        """Return a predictor with the model that was kept for other languages, or None."""
        key = self.keys.finetuned_model(seed)
        folder = finetuned_models.known(self._run, self._name, seed, key)
        if folder is None:
            return None
        _, record = finetuned_models.find(self._run, self._name, seed)
        encoder = self.model.reopen(folder)
        carried = encoder.carried_head(self.task.head_kind)
        head = None if carried is None else self.task.carried(carried)
        if head is None:
            return None
        self._judge(seed, record.development, record.step, record.size)
        return predictor(self.task, encoder, head, self.model.autocast)

    def _train(self, seed: int) -> Predictor:
        settings, reporter = self.session.settings, self.session.reporter
        label = f"{self._name} head, seed {seed}, on {self._run.name}"
        reporter.stage(f"Fine-tuning the {label}")
        encoder = copy.deepcopy(self.model.encoder)
        predict, checks = train_head(
            self.task,
            encoder,
            seed=seed,
            folder=self._scratch_folder(seed),
            hooks=self._hooks(label),
            signals=self.signals,
            settings=settings.eval,
            autocast=self.model.autocast,
            whole_vocabulary=settings.encoder.vocabulary == "whole",
        )
        self._report(label, checks)
        history = {str(step): value for step, value in sorted(checks.history.items())}
        self._judge(seed, history, checks.best_step, checks.size)
        if settings.eval.keep_models:
            record = finetuned_models.FinetunedModel(
                key=self.keys.finetuned_model(seed),
                task=self._name,
                version=self.task.info.version,
                options=self.keys.options,
                head_seed=seed,
                development=history,
                step=checks.best_step,
                size=checks.size,
            )
            finetuned_models.keep(self._run, record, encoder)
        return predict

    def _hooks(self, label: str) -> FitHooks:
        reporter, total = self.session.reporter, 0

        def started(start: int, last: int) -> None:
            nonlocal total
            total = last

        def step_finished(row: dict[str, float]) -> None:
            reporter.progress(label, int(row["step"]), total, row)

        return FitHooks(
            started=started,
            step_finished=step_finished,
            checkpoint_saved=lambda path: None,
            notice=reporter.notice,
            stop_requested=lambda: self.signals.requested,
        )

    def _report(self, label: str, checks: Development) -> None:
        """Report refused rows, notes on the training data, and the scores on development data."""
        reporter, metric = self.session.reporter, self.task.info.metrics[0]
        for kind, count in Counter(problem.kind for problem in self.task.problems()).items():
            reporter.notice(f"{self._name}: {count:,} refused in its files ({kind})")
        notes = getattr(self.task, "training_notes", list)
        for note in notes():
            reporter.notice(f"{self._name}: {note}")
        scores = ", ".join(
            f"{number(value, metric.percent)} at step {step}"
            for step, value in sorted(checks.history.items())
        )
        reporter.stage(
            f"{label}: development {metric.name} {scores}; keeping the weights of step {checks.best_step}"
        )

    def _judge(self, seed: int, development: Mapping[str, float], step: int, size: int) -> None:
        """Compare a fine-tuning with the baselines on the source language's test set; warn if it learnt nothing."""
        task, metric = self.task, self.task.info.metrics[0]
        source = getattr(task.options, "source", None) or task.info.source_language
        scores = task.baselines(source) if size and source in task.languages() else {}
        baselines = {name: metrics_of(task, one)[metric.name] for name, one in scores.items()}
        quality = judge_fit(
            metric, best=development[str(step)], step=step, size=size, baselines=baselines
        )
        self.qualities[seed] = quality
        if quality.left_chance:
            return
        compared = (
            ""
            if quality.floor_value is None
            else f", {quality.floor} {number(quality.floor_value, metric.percent)}"
        )
        self.session.reporter.notice(
            f"{self._name} head, seed {seed}, on {self._run.name} never left chance: best development "
            f"{quality.metric} {number(quality.best, metric.percent)}{compared}; "
            f"raise {self._name}.warmup or .epochs"
        )

    def _scratch_folder(self, seed: int) -> Path:
        # With other versions, threads or device an interrupted fine-tuning starts again: resuming would not be exact.
        device = choose_device(self.session.settings.runtime.device)
        circumstances = content_key(**circumstances_of(device))
        name = f".head-{self.keys.finetuned_model(seed)[:12]}-{circumstances[:8]}"
        return self.store.scratch_folder(self._name, name)
