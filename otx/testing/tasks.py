"""Check that a task fulfils its contract: ``check_task(lambda: MyTask(MyOptions()), encoder)``."""

from __future__ import annotations

import copy
import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from otx.errors import UsageError
from otx.interfaces import (
    BaseTask,
    BaseTransferTask,
    Encoder,
    ProbeTask,
    Task,
    TransferTask,
)
from otx.plugin_host.interface_checks import loss_faults
from otx.testing.complaints import Passed, fault, ignore, require
from otx.types import Example, Metric, Problem, Score, TaskInfo

LANGUAGES = 2
"""Number of languages that are tried, the source language among them."""
EXAMPLES = 8
"""Number of examples that a transfer task is tried on."""

Make = Callable[[], Task]
"""Creates a task."""

_require = functools.partial(require, "task")


def check_task(
    make: Make, encoder: Encoder, *, languages: Sequence[str] = (), passed: Passed = ignore
) -> None:
    """Check that a task fulfils its contract.

    The base classes in ``otx.interfaces`` describe the contract. The task needs its data. The encoder is not changed.

    Args:
        make: Creates the task; called twice.
        encoder: Any encoder, such as ``mini``.
        languages: Languages to try; by default the first two that the task has.
        passed: Called with the name of each check that passed.

    Raises:
        PluginError: If the task breaks its contract, naming the clause.
        DataError: If its data is missing or damaged.

    Example:
        >>> check_task(lambda: MyTask(MyOptions(data="data")), encoder)  # doctest: +SKIP
    """
    task, again = make(), make()
    _check_info(task)
    passed("its info is complete: name, version, kind, metrics")
    known = task.languages()
    _require(len(known) > 0 and all(isinstance(one, str) for one in known), "it has no languages")
    _require(known == again.languages(), "created again, it has other languages")
    tried = languages or known[:LANGUAGES]
    predict = _prober(task, encoder)
    if task.info.kind == "transfer":
        predict = _check_transfer(
            cast(TransferTask, task), cast(TransferTask, again), encoder, passed
        )
    for language in tried:
        examples = _check_examples(task, again, language)
        passed(f"{language}: its examples have unique ids, and are the same when created again")
        predictions = predict(language, examples)
        scores = [
            task.score(predictions[example.id], example)
            for example in examples
            if example.id in predictions
        ]
        _check_scores(task, language, examples, predictions, scores)
        passed(f"{language}: every example has a prediction and a score")
        _check_metrics(task, language, scores)
        passed(f"{language}: its metrics are finite, for sums and for arrays of sums")


Predict = Callable[[str, Sequence[Example]], Mapping[str, Any]]


def _prober(task: Task, encoder: Encoder) -> Predict:
    def probe(language: str, examples: Sequence[Example]) -> Mapping[str, Any]:
        encoder.module.eval()
        predictions = cast(ProbeTask, task).probe(encoder, language)
        _require(
            isinstance(predictions, Mapping),
            f"probe({language!r}) returns a {type(predictions).__name__}, not a dictionary",
        )
        return predictions

    return probe


def _check_info(task: Task) -> None:
    info = task.info
    _require(
        isinstance(info, TaskInfo), f"info is a {type(info).__name__}, not an otx.types.TaskInfo"
    )
    _require(
        bool(info.name and info.version and info.licence), "info has no name, version or licence"
    )
    _require(info.kind in ("probe", "transfer"), f"info.kind is {info.kind!r}")
    _require(len(info.metrics) > 0, "info names no metric")
    names = [metric.name for metric in info.metrics]
    _require(len(names) == len(set(names)), f"two metrics have the same name: {', '.join(names)}")


def _check_examples(task: Task, again: Task, language: str) -> list[Example]:
    examples = task.examples(language)
    _require(len(examples) > 0, f"{language}: it has no example")
    for example in examples:
        _require(
            isinstance(example, Example), f"{language}: an example is a {type(example).__name__}"
        )
        _require(
            isinstance(example.id, str) and isinstance(example.cluster, str),
            f"{language}: id and cluster of an example must be texts, not {example.id!r} and {example.cluster!r}",
        )
    ids = [example.id for example in examples]
    twice = sorted({one for one in ids if ids.count(one) > 1}) if len(set(ids)) < len(ids) else []
    _require(not twice, f"{language}: two examples have the id {twice[:1]}")
    _require(
        [example.id for example in again.examples(language)] == ids,
        f"{language}: created again, it has other examples",
    )
    _require(
        [example.id for example in task.examples(language)] == ids,
        f"{language}: asked again, it has other examples",
    )
    fingerprint = task.fingerprint(language)
    _require(
        isinstance(fingerprint, str) and bool(fingerprint),
        f"{language}: its fingerprint is not a text",
    )
    _require(
        again.fingerprint(language) == fingerprint,
        f"{language}: created again, it has another fingerprint",
    )
    sentences = task.sentences(language)
    _require(all(isinstance(one, str) for one in sentences), f"{language}: sentences are not texts")
    left_out = task.left_out(language) if isinstance(task, BaseTask) else None
    _require(
        left_out is None or isinstance(left_out, str),
        f"{language}: left_out returns {left_out!r}, not a text or None",
    )
    return examples


def _check_scores(
    task: Task,
    language: str,
    examples: Sequence[Example],
    predictions: Mapping[str, Any],
    scores: Sequence[Score],
) -> None:
    missing = [example.id for example in examples if example.id not in predictions]
    _require(
        not missing,
        f"{language}: {len(missing)} examples have no prediction, the first {missing[:1]}",
    )
    try:
        json.dumps([predictions[example.id] for example in examples])
    except (TypeError, ValueError) as error:
        raise fault("task", f"{language}: a prediction is not JSON: {error}") from error
    for example, score in zip(examples, scores, strict=True):
        place = f"{language}: the score of example {example.id!r}"
        _require(isinstance(score, Score), f"{place} is a {type(score).__name__}")
        _require(
            (score.example, score.cluster) == (example.id, example.cluster),
            f"{place} is of example {score.example!r} in cluster {score.cluster!r}",
        )
        finite = all(math.isfinite(value) for value in score.statistics.values())
        _require(finite, f"{place} is not finite: {dict(score.statistics)}")
    notes = task.notes(language, scores)
    _require(all(isinstance(one, str) for one in notes), f"{language}: notes are not texts")


def _check_metrics(task: Task, language: str, scores: Sequence[Score]) -> None:
    sums: dict[str, float] = {}
    for score in scores:
        for name, value in score.statistics.items():
            sums[name] = sums.get(name, 0.0) + value
    for metric in task.info.metrics:
        value = float(_computed(metric, sums))
        twice = {name: np.array([total, total]) for name, total in sums.items()}
        values = np.asarray(_computed(metric, twice), dtype=np.float64)
        same = values.shape == (2,) and np.allclose(values, value, equal_nan=True)
        _require(
            bool(same),
            f"metric {metric.name} is {value:g} of sums, but {values} of arrays of the same sums",
        )


def _computed(metric: Metric, sums: Mapping[str, Any]) -> Any:
    try:
        with np.errstate(all="ignore"):
            return metric.compute(sums)
    except KeyError as error:
        complaint = (
            f"asks for the sum {error}, and the statistics of the scores are {', '.join(sums)}"
        )
        raise fault("task", f"metric {metric.name} {complaint}") from error
    except (TypeError, ValueError) as error:
        raise fault(
            "task", f"metric {metric.name} takes no numbers or no arrays: {error}"
        ) from error


def _check_transfer(
    task: TransferTask, again: TransferTask, encoder: Encoder, passed: Passed
) -> Predict:
    """Check the training data and one step of training; return a function that predicts with the head."""
    training, held = task.training(1)
    _require(len(training) > 0 and len(held) > 0, "it has no training or no development examples")
    both = {example.id for example in training} & {example.id for example in held}
    _require(not both, f"development examples are trained on: {', '.join(sorted(both)[:3])}")
    _require(
        task.training_fingerprint() == again.training_fingerprint(),
        "created again, it has another training_fingerprint",
    )
    bad = [problem for problem in task.problems() if not isinstance(problem, Problem)]
    _require(not bad, "problems returns something else than otx.types.Problem")
    for name in ("epochs", "lr", "batch", "warmup", "weight_decay"):
        _require(hasattr(task.options, name), f"its options have no {name}")
    passed("its training and development examples are disjoint")
    twin = copy.deepcopy(encoder)
    twin.module.eval()
    try:
        head = twin.fresh_head(task.head_kind, task.labels())
    except UsageError as error:
        raise fault("task", f"no head for {task.head_kind}: {error.message}") from error
    _check_step(task, twin, head, training[:EXAMPLES])
    passed("the loss of a batch is a finite scalar with a gradient")
    _check_heads(task, head)
    passed("asking whether a checkpoint's head fits changes no later answer")

    def predict(language: str, examples: Sequence[Example]) -> Mapping[str, Any]:
        predictions: dict[str, Any] = {}
        for start in range(0, len(examples), EXAMPLES):
            predictions |= _predicted(task, twin, head, examples[start : start + EXAMPLES])
        baselines = task.baselines(language)
        missing = sorted(set(task.baseline_names) - set(baselines))
        _require(not missing, f"{language}: baselines leaves out {', '.join(missing)}")
        if isinstance(task, BaseTransferTask):
            _check_counts(task, twin, language, examples[:EXAMPLES])
        return predictions

    return predict


def _check_heads(task: TransferTask, head: nn.Module) -> None:
    """Check that asking about a head that fits, and about one that does not, leaves the task as it was."""
    labels = tuple(task.labels())
    named, unnamed = _Labelled(head, labels), _Labelled(head, ("otx", "has", "no", "such", "label"))
    for one in (named, unnamed):
        carried = task.carried(one)
        _require(
            carried is None or isinstance(carried, nn.Module),
            f"carried returns a {type(carried).__name__}, not a module or None",
        )
        if isinstance(task, BaseTransferTask):
            reason = task.unused_head_reason(one)
            _require(
                reason is None or isinstance(reason, str),
                f"unused_head_reason returns {reason!r}, not a text or None",
            )
            task.for_prediction(one)
    _require(tuple(task.labels()) == labels, "after carried or for_prediction, it has other labels")
    if isinstance(task, BaseTransferTask):
        notes = task.training_notes()
        _require(all(isinstance(one, str) for one in notes), "training_notes are not texts")


class _Labelled(nn.Module):
    """A checkpoint's head with names of its classes."""

    def __init__(self, head: nn.Module, labels: Sequence[str]) -> None:
        super().__init__()
        self.head, self.labels = head, tuple(labels)

    def forward(self, batch: Any) -> Any:
        return self.head(batch)


def _check_counts(
    task: BaseTransferTask, encoder: Encoder, language: str, examples: Sequence[Example]
) -> None:
    counts = task.count_truncated(encoder, examples)
    whole = len(counts) == len(examples) and all(
        isinstance(count, int) and count >= 0 for count in counts
    )
    _require(whole, f"{language}: count_truncated returns {counts!r}, not a count per example")


def _check_step(
    task: TransferTask, encoder: Encoder, head: nn.Module, examples: Sequence[Example]
) -> None:
    features = task.features(encoder, examples)
    for feature in features:
        whole = isinstance(feature, task.feature) and hasattr(feature, "label")
        _require(
            whole and feature.length > 0,
            "a feature is not of the task's feature class, with length and label",
        )
    learnt = [feature for feature in features if feature.label is not None]
    _require(len(learnt) > 0, "nothing can be learnt from its first training examples")
    tokens, labels = task.collate(encoder, learnt)
    loss = task.loss(head(tokens), labels)
    for complaint in loss_faults(loss):
        raise fault("task", f"loss: {complaint}")
    _require(bool(loss.value.isfinite()), f"its loss is {loss.value.item()}")
    _require(loss.value.requires_grad, "its loss has no gradient")


def _predicted(
    task: TransferTask, encoder: Encoder, head: nn.Module, examples: Sequence[Example]
) -> Mapping[str, Any]:
    features = task.features(encoder, examples)
    tokens, _ = task.collate(encoder, features)
    with torch.no_grad():
        logits = head(tokens).float()
    rows = [
        row[: feature.length] if row.ndim > 1 else row
        for feature, row in zip(features, logits, strict=True)
    ]
    predictions = task.decode(features, rows)
    _require(
        isinstance(predictions, Mapping),
        f"decode returns a {type(predictions).__name__}, not a dictionary",
    )
    missing = [example.id for example in examples if example.id not in predictions]
    _require(not missing, f"decode leaves out {len(missing)} examples, the first {missing[:1]}")
    for prediction in predictions.values():
        line = task.write_line(prediction)
        _require(
            isinstance(line, str) and "\n" not in line, f"write_line returns {line!r}, not a line"
        )
    return predictions
