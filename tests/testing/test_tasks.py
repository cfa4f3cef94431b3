"""A task that keeps its contract passes, ours among them; each way to break it is named."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch

import otx_tasks
from otx.config.roles import PATH
from otx.errors import PluginError, UsageError
from otx.interfaces import BaseProbeTask, BaseTransferTask, Encoder
from otx.plugin_host.registry import Registry
from otx.testing import check_task
from otx.types import Example, Metric, Score, TaskInfo, TokenBatch, TokenRow
from otx_encoders.huggingface import HuggingFaceEncoder
from otx_encoders.options import EncoderOptions

LENGTH = Metric("length", lambda sums: sums["long"] / sums["n"])


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> Encoder:
    return HuggingFaceEncoder(str(tiny_model), EncoderOptions())


class Good:
    """How many letters a word has."""

    info = TaskInfo("letters", "1", "probe", (LENGTH,), "CC0")
    options = None

    def languages(self) -> list[str]:
        return ["de", "en"]

    def examples(self, language: str) -> list[Example]:
        return [Example(str(i), str(i), {"text": language * i}) for i in range(3)]

    def fingerprint(self, language: str) -> str:
        return f"letters-{language}"

    def sentences(self, language: str) -> list[str]:
        return [example.fields["text"] for example in self.examples(language)]

    def probe(self, encoder: Any, language: str) -> Any:
        return {example.id: len(example.fields["text"]) for example in self.examples(language)}

    def score(self, prediction: Any, example: Example) -> Score:
        return Score(example.id, example.cluster, {"long": prediction, "n": 1})

    def notes(self, language: str, scores: Any) -> list[str]:
        return []


class LeavesOut(Good):
    def probe(self, encoder: Any, language: str) -> Any:
        found = super().probe(encoder, language)
        return {name: found[name] for name in found if name != "1"}


class OneId(Good):
    def examples(self, language: str) -> list[Example]:
        return [Example("0", "0", {"text": "a"})] * 2


class Numbers(Good):
    def examples(self, language: str) -> list[Any]:
        return [Example(i, "0", {"text": "a"}) for i in range(2)]  # type: ignore[arg-type]


class NoJson(Good):
    def probe(self, encoder: Any, language: str) -> Any:
        return dict.fromkeys(super().probe(encoder, language), 1j)

    def score(self, prediction: Any, example: Example) -> Score:
        return super().score(1, example)


class UnknownSum(Good):
    info = TaskInfo("letters", "1", "probe", (Metric("m", lambda s: s["nope"]),), "CC0")


class NoArrays(Good):
    info = TaskInfo("letters", "1", "probe", (Metric("m", lambda s: max(s["n"], 2)),), "CC0")


class Infinite(Good):
    def score(self, prediction: Any, example: Example) -> Score:
        return Score(example.id, example.cluster, {"long": float("nan"), "n": 1})


class OtherExample(Good):
    def score(self, prediction: Any, example: Example) -> Score:
        return Score("0", example.cluster, {"long": 1, "n": 1})


class Unsteady(Good):
    def fingerprint(self, language: str) -> str:
        return str(id(self))


class Empty(Good):
    def examples(self, language: str) -> list[Example]:
        return []


def test_a_good_task_passes(encoder: Encoder) -> None:
    passed: list[str] = []
    check_task(Good, encoder, passed=passed.append)
    assert len(passed) == 7


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (LeavesOut, r"de: 1 examples have no prediction, the first \['1'\]"),
        (OneId, r"two examples have the id \['0'\]"),
        (Numbers, "id and cluster of an example must be texts"),
        (NoJson, "a prediction is not JSON"),
        (UnknownSum, "metric m asks for the sum 'nope'.*long, n"),
        (NoArrays, "metric m takes no numbers or no arrays"),
        (Infinite, "is not finite"),
        (OtherExample, "is of example '0'"),
        (Unsteady, "created again, it has another fingerprint"),
        (Empty, "it has no example"),
    ],
)
def test_a_broken_one_is_named(broken: Any, complaint: str, encoder: Encoder) -> None:
    with pytest.raises(PluginError, match=f"the task breaks its contract: .*{complaint}"):
        check_task(broken, encoder)


SIZES = {"train": 30, "test": 4, "dev": 6, "de": 4}
"""Items of each made file; the text of each names its file, so that nothing tested is trained on."""


def squad(part: str) -> str:
    articles = []
    for number in range(SIZES[part]):
        context = f"A dog of {part} number {number} barks at night."
        answers = [{"text": f"number {number}", "answer_start": context.index("number")}]
        qas = [{"id": f"{part}-{number}", "question": "Which dog?", "answers": answers}]
        articles.append(
            {"title": f"{part} {number}", "paragraphs": [{"context": context, "qas": qas}]}
        )
    return json.dumps({"version": "1.1", "data": articles})


def rows(part: str, *labels: str) -> str:
    items = ((n, label) for n in range(SIZES[part]) for label in labels)
    return "".join(f"{part} dog {n} {label}\ta cat\t{label}\n" for n, label in items)


def tags(part: str, *tags: str) -> str:
    return "".join(f"{part}{n}\t{tags[0]}\nbarks\t{tags[1]}\n\n" for n in range(SIZES[part]))


def split(write: Callable[..., str], *labels: str, dev: bool = False) -> dict[str, str]:
    parts = {"train-en": "train", "test-en": "test", "test-de": "de"} | (
        {"dev-en": "dev"} if dev else {}
    )
    return {f"{name}.tsv": write(part, *labels) for name, part in parts.items()}


def mined() -> dict[str, str]:
    files = {}
    for part in ("training", "test"):
        for language in ("de", "en"):
            lines = [f"{language}-{n:03}\t{part} dog number {n}\n" for n in range(12)]
            files[f"de-en.{part}.{language}"] = "".join(lines)
        files[f"de-en.{part}.gold"] = "".join(f"de-{n:03}\ten-{n:03}\n" for n in range(4))
    return files


TRAINED = {"train-v1.1.json": squad("train")}
FILES: dict[str, dict[str, str]] = {
    "bucc": mined(),
    "classification": split(rows, "yes", "no"),
    "paws-x": split(rows, "0", "1"),
    "xnli": split(rows, "entailment", "neutral", "contradiction", dev=True),
    "pos": split(tags, "NOUN", "VERB"),
    "ner": split(tags, "B-PER", "O"),
    "xquad": {**TRAINED, "xquad.en.json": squad("test"), "xquad.de.json": squad("de")},
    "mlqa": {
        **TRAINED,
        "test-context-en-question-en.json": squad("test"),
        "test-context-de-question-de.json": squad("de"),
    },
    "tydiqa-goldp": {
        "tydiqa.goldp.en.train.json": squad("train"),
        "tydiqa.goldp.en.dev.json": squad("test"),
        "tydiqa.goldp.ko.dev.json": squad("de"),
    },
}
"""Small files of the layout that each task reads; without any, it reads the embedded sample."""


def registered() -> Registry:
    registry = Registry("otx")
    otx_tasks.otx_register(registry)
    return registry


@pytest.mark.parametrize("name", [entry.name for entry in registered().entries("task")])
def test_ours_pass(name: str, encoder: Encoder, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("OTX_CACHE", str(tmp_path / "cache"))
    entry = registered().find("task", name)
    assert entry.options is not None
    files = FILES.get(name, {})
    for file, text in files.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    options = entry.options(data=str(tmp_path) if files else None)
    make: Callable[[], Any] = lambda: entry.make(options)  # noqa: E731
    check_task(make, encoder)


class SmallProbe(BaseProbeTask):
    """As little as a probe can be: info and four methods."""

    info = TaskInfo("letters", "1", "probe", (LENGTH,), "CC0")

    def languages(self) -> list[str]:
        return ["de", "en"]

    def load_examples(self, language: str) -> list[Example]:
        return [Example(str(i), str(i), {"text": language * i}) for i in range(3)]

    def probe(self, encoder: Any, language: str) -> Any:
        return {example.id: len(example.fields["text"]) for example in self.examples(language)}

    def score(self, prediction: Any, example: Example) -> Score:
        return Score(example.id, example.cluster, {"long": prediction, "n": 1})


@dataclass(frozen=True)
class SmallFeature:
    """A tokenised word and its class."""

    example: str
    row: TokenRow
    label: int | None

    @property
    def length(self) -> int:
        """Number of sub-words."""
        return len(self.row.ids)


class SmallTransfer(BaseTransferTask):
    """As little as a transfer task can be: three attributes and eight methods."""

    info = TaskInfo(
        "vowel", "1", "transfer", (Metric("accuracy", lambda s: s["right"] / s["n"]),), "CC0"
    )
    head_kind = "sequence-classification"
    feature = SmallFeature

    def languages(self) -> list[str]:
        return ["en", "de"]

    def load_examples(self, language: str) -> list[Example]:
        return self._words(language, 4)

    def load_training(self, seed: int) -> tuple[list[Example], list[Example]]:
        return self._words("train", 8), self._words("dev", 4)

    def labels(self) -> list[str]:
        return ["even", "odd"]

    def features(self, encoder: Encoder, examples: Any) -> list[Any]:
        rows = encoder.tokenise([example.fields["text"] for example in examples])
        return [
            SmallFeature(example.id, row, self.labels().index(example.fields["label"]))
            for example, row in zip(examples, rows, strict=True)
        ]

    def collate(self, encoder: Encoder, features: Any) -> tuple[TokenBatch, Any]:
        batch = encoder.collate([feature.row for feature in features])
        return batch, torch.tensor([feature.label for feature in features])

    def decode(self, features: Any, logits: Any) -> dict[str, Any]:
        rows = zip(features, logits, strict=True)
        return {feature.example: self.labels()[int(row.argmax())] for feature, row in rows}

    def score(self, prediction: Any, example: Example) -> Score:
        right = float(prediction == example.fields["label"])
        return Score(example.id, example.cluster, {"right": right, "n": 1})

    def _words(self, name: str, count: int) -> list[Example]:
        return [
            Example(
                f"{name}-{i}", str(i), {"text": f"{name} dog {i}", "label": self.labels()[i % 2]}
            )
            for i in range(count)
        ]


class Remembers(SmallTransfer):
    """Its labels become those of the head it was last asked about."""

    _labels = ("even", "odd")

    def labels(self) -> list[str]:
        return list(self._labels)

    def carried(self, head: Any) -> Any:
        self._labels = tuple(head.labels)
        return head


class CountsTooFew(SmallTransfer):
    def count_truncated(self, encoder: Encoder, examples: Any) -> list[int]:
        return []


@dataclass(frozen=True)
class SmallOptions:
    """The options that every transfer task has."""

    data: str | None = field(default=None, metadata=PATH)
    epochs: float = 1.0
    lr: float = 1e-3
    batch: int = 4
    warmup: float = 0.0
    weight_decay: float = 0.0


def test_small_tasks_pass_with_the_defaults_of_the_base_classes(encoder: Encoder) -> None:
    check_task(SmallProbe, encoder)
    assert len(BaseProbeTask.__abstractmethods__) == 4
    check_task(lambda: SmallTransfer(SmallOptions()), encoder)
    assert len(BaseTransferTask.__abstractmethods__) == 8


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (Remembers, "after carried or for_prediction, it has other labels"),
        (CountsTooFew, "count_truncated returns"),
    ],
)
def test_a_broken_transfer_task_is_named(broken: Any, complaint: str, encoder: Encoder) -> None:
    with pytest.raises(PluginError, match=complaint):
        check_task(lambda: broken(SmallOptions()), encoder)


def test_defaults_of_the_base_classes(encoder: Encoder) -> None:
    task = SmallTransfer(SmallOptions())
    assert task.examples("en") is task.examples("en") and task.training(1) is task.training(1)
    assert task.sentences("en") == sorted(f"en dog {i}" for i in range(4))
    assert task.notes("en", []) == task.problems() == task.training_notes() == []
    assert task.baselines("en") == {} and task.left_out("en") is None
    assert task.write_line("a\nb") == "a b" and task.write_line({"a": 1}) == '{"a": 1}'
    with pytest.raises(UsageError, match="vowel cannot predict lines of text"):
        task.read_line("a", 1)
    labels = torch.tensor([1, -100])
    assert float(task.loss(torch.tensor([[0.0, 0.0], [9.0, 0.0]]), labels).value) == pytest.approx(
        math.log(2)
    )
    other = SmallTransfer(replace(SmallOptions(), lr=1.0))
    moved = SmallTransfer(replace(SmallOptions(), data="elsewhere"))
    assert other.training_fingerprint() != task.training_fingerprint()
    assert moved.training_fingerprint() == task.training_fingerprint()
