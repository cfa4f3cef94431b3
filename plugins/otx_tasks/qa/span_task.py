"""Base class of question answering: answers are spans of a context, learnt in English and scored as texts."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from otx.errors import DataError, MissingDataError
from otx.files.reading import find_plain_or_gz
from otx.interfaces import Encoder
from otx.types import Example, Loss, Score, TokenBatch
from otx_tasks.collate import padded
from otx_tasks.dataset_task import DatasetTask
from otx_tasks.files import folder_of
from otx_tasks.hub import parquet_rows
from otx_tasks.qa.answer_scoring import Normalise, best_scores
from otx_tasks.qa.lexical_baseline import most_similar_clause
from otx_tasks.qa.options import SpanOptions
from otx_tasks.qa.spans import best_answers
from otx_tasks.qa.squad import UNLOCATED, Questions, locate_answers, read_squad
from otx_tasks.qa.squad_scoring import normalise
from otx_tasks.qa.windows import Lengths, Window, windows

SENTENCE_END = re.compile(r"(?<=[.!?\u3002\uff01\uff1f\u061f])\s*")
TRAIN_FOLDERS = ("", "squad-v1.1", "squad", "qa/squad-v1.1")
HUB_TRAIN = "rajpurkar/squad"
TRAIN_REMEDY = "give train-v1.1.json (or .json.gz) with --train, or its folder with --data"

SpanLabels = tuple[Tensor, Tensor]
"""Start and end positions ``[B, 2]`` and the mask ``[B, T]``."""


class SpanTask(DatasetTask):
    """Extractive question answering, fine-tuned and decoded as in XTREME.

    An answer that is not at its offset is refused: it is not trained on, and ``problems`` lists it. In test sets it
    still counts as an answer, because the scorer compares texts. A subclass implements where its test questions come
    from, how answers are compared, and its training questions if they are not SQuAD v1.1.

    Args:
        options: Options of the task.

    References:
        Hu et al. (2020), "XTREME". https://arxiv.org/abs/2003.11080
    """

    options: SpanOptions
    splits: ClassVar[tuple[str, ...]] = ("test",)
    leak_remedy = "train on SQuAD v1.1 train; XQuAD is a part of SQuAD v1.1 dev"
    head_kind = "question-answering"
    feature = Window
    baseline_names = ("n-gram",)

    def __init__(self, options: SpanOptions) -> None:
        super().__init__(options)
        self._questions: dict[str, Questions] = {}

    @abstractmethod
    def file_name(self, language: str, split: str) -> str:
        """Return the name of a language's test file.

        Args:
            language: The language.
            split: Name of the split.
        """

    def read_hub_test(self, language: str) -> Questions:
        """Read the test questions of a language from the Hub.

        Args:
            language: The language.
        """
        raise MissingDataError(f"{self.info.name} needs files", self.data_remedy)

    def read_questions(self, language: str) -> Questions:
        """Read the test questions of a language from its file, or from the Hub.

        Args:
            language: The language.
        """
        if self.options.data is None:
            return self.read_hub_test(language)
        return read_squad(self.test_split.files[language])

    def read_training_questions(self) -> Questions:
        """Read the training questions, by default those of SQuAD v1.1."""
        if self.options.train is not None:
            return read_squad(Path(self.options.train).expanduser())
        if self.options.source != self.info.source_language:
            raise MissingDataError(
                f"{self.info.name}: no training file in {self.options.source}",
                "give one in the SQuAD v1.1 layout with --train",
            )
        if self.options.data is None:
            rows = parquet_rows(HUB_TRAIN, "plain_text", "train", TRAIN_REMEDY)
            return locate_answers(rows, HUB_TRAIN)
        folder = folder_of(self.options.data)
        for name in TRAIN_FOLDERS:
            if path := find_plain_or_gz(folder / name / "train-v1.1.json"):
                return read_squad(path)
        raise MissingDataError(f"{folder}: no train-v1.1.json", TRAIN_REMEDY)

    def normaliser(self, language: str) -> Normalise:
        """Return how answers in a language are normalised before they are compared.

        Args:
            language: The language.
        """
        return normalise

    def missing_files(self, folder: Path, split: str) -> MissingDataError:
        """Return the error for a folder without test files."""
        return MissingDataError(f"{folder}: no {self.file_name('XX', split)}", self.data_remedy)

    def missing_language(self, language: str) -> DataError:
        """Return the error for a language without test data."""
        name = self.file_name(language, self.split_name)
        return MissingDataError(f"{self.options.data or 'the Hub'}: no {name}", self.data_remedy)

    def read_test(self, language: str) -> list[Example]:
        """Read the questions of a language, with the fields of ``otx_tasks.qa.squad``."""
        questions = self._test_questions(language)
        unlabelled = [e.id for e in questions.examples if not e.fields["answers"]]
        if unlabelled:
            where = f"{self.info.name} {language}"
            raise DataError(
                f"{where}: {len(unlabelled)} questions have no answers, the first is {unlabelled[0]}",
                "scoring needs the labelled files",
            )
        return questions.examples

    def read_training(self) -> list[Example]:
        """Read the training questions with a located answer."""
        return self._located(self.read_training_questions())

    def read_extra(self, path: Path) -> list[Example]:
        """Read a file of the option ``also``."""
        return self._located(read_squad(path))

    def content(self, example: Example) -> Hashable:
        """Return the context: a paragraph that is tested must not be trained on."""
        return str(example.fields["context"])

    def group(self, example: Example) -> str:
        """Return the article."""
        return str(example.fields["article"])

    def sentences(self, language: str) -> list[str]:
        """Return every distinct question and sentence of a context."""
        examples = self.examples(language)
        contexts = {example.fields["context"] for example in examples}
        parts = {part for context in contexts for part in SENTENCE_END.split(context) if part}
        return sorted(parts | {example.fields["question"] for example in examples})

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """Return how many offsets of answers do not fit, and which split is tested."""
        count = len(self._test_questions(language).problems)
        lines = [f"{count} gold answers are not at their offsets"] if count else []
        return lines + super().notes(language, scores)

    def labels(self) -> Sequence[str]:
        """Return no classes: a span has two logits per sub-word."""
        return ()

    def carried(self, head: nn.Module) -> nn.Module:
        """Return a checkpoint's own span head unchanged."""
        return head

    def features(self, encoder: Encoder, examples: Sequence[Example]) -> list[Window]:
        """Return windows of at most ``max_length`` sub-words, or the encoder's limit."""
        limits = Lengths(
            window=min(self.options.max_length, encoder.max_length),
            stride=self.options.stride,
            question=self.options.question_length,
        )
        return windows(encoder, examples, limits)

    def collate(
        self, encoder: Encoder, features: Sequence[Window]
    ) -> tuple[TokenBatch, SpanLabels | None]:
        """Return the padded windows, and their labels unless a window has none."""
        batch = padded(encoder, [(f.ids, f.types, f.special) for f in features])
        labels = [feature.label for feature in features if feature.label is not None]
        if len(labels) < len(features):
            return batch, None
        return batch, (torch.tensor(labels, device=batch.ids.device), batch.mask)

    def loss(self, logits: Tensor, labels: SpanLabels) -> Loss:
        """Return the cross-entropy over the real positions.

        It is the mean over start and end, and over windows.

        Args:
            logits: ``[B, T, 2]``. The target of a window without the answer is its first position.
            labels: Start and end positions ``[B, 2]`` and the mask ``[B, T]``.
        """
        positions, mask = labels
        real = logits.float().masked_fill(~mask.unsqueeze(-1), -torch.inf)
        start = functional.cross_entropy(real[..., 0], positions[:, 0])
        end = functional.cross_entropy(real[..., 1], positions[:, 1])
        return Loss((start + end) / 2, {"start": start.detach(), "end": end.detach()})

    def decode(self, features: Sequence[Window], logits: Sequence[Tensor]) -> dict[str, str]:
        """Return the answer to each question, a part of its context."""
        return best_answers(features, logits, self.options.answer_length)

    def score(self, prediction: str, example: Example) -> Score:
        """Return ``exact`` and ``f1``, each the best over the gold answers, and ``n`` = 1."""
        normalised = self.normaliser(example.fields.get("language", self.info.source_language))
        exact, f1 = best_scores(prediction, example.fields["answers"], normalised)
        return Score(example.id, example.cluster, {"exact": exact, "f1": f1, "n": 1.0})

    def read_line(self, line: str, number: int) -> Example:
        """Parse a question and its context, with a tab between them."""
        question, tab, context = line.partition("\t")
        if not tab or not context.strip():
            raise DataError(
                f"line {number} has no context", "write the question, a tab, and the context"
            )
        fields = {"question": question, "context": context, "answers": [], "starts": []}
        return Example(str(number), str(number), fields)

    def count_truncated(self, encoder: Encoder, examples: Sequence[Example]) -> list[int]:
        """Count the sub-words of each question that are cut; contexts are read whole."""
        questions = [example.fields["question"] for example in examples]
        rows = encoder.tokenizer(questions, add_special_tokens=False, verbose=False)["input_ids"]
        return [max(0, len(ids) - self.options.question_length) for ids in rows]

    def baselines(self, language: str) -> dict[str, list[Score]]:
        """Score ``n-gram``: the clause with most character trigrams of the question."""
        examples = self.examples(language)
        guesses = [most_similar_clause(e.fields["question"], e.fields["context"]) for e in examples]
        return {"n-gram": [self.score(g, e) for g, e in zip(guesses, examples, strict=True)]}

    def _test_questions(self, language: str) -> Questions:
        if language not in self._questions:
            questions = self.read_questions(language)
            self._problems += questions.problems
            self._questions[language] = questions
        return self._questions[language]

    def _located(self, questions: Questions) -> list[Example]:
        """Return the questions with an answer at its offset."""
        self._problems += questions.problems
        return [e for e in questions.examples if {*e.fields["starts"]} - {UNLOCATED}]
