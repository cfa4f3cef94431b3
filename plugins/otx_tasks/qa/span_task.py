"""What question answering tasks share: answers are spans of a context, learnt in English, scored as texts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from otx.config.roles import keyed_options
from otx.errors import DataError, MissingDataError
from otx.files.example_digest import digest
from otx.interfaces import Encoder
from otx.types import Example, Loss, Problem, Score, TaskInfo, TokenBatch
from otx_tasks.collate import padded
from otx_tasks.dev_split import carve
from otx_tasks.extra_training_data import further
from otx_tasks.files import existing, first_split, folder_of, split_note
from otx_tasks.hub import parquet_rows
from otx_tasks.options import SpanOptions
from otx_tasks.qa.answer_scoring import Normalise, best_scores
from otx_tasks.qa.lexical_baseline import most_similar_clause
from otx_tasks.qa.spans import best_answers
from otx_tasks.qa.squad import UNLOCATED, Questions, locate_answers, read_squad
from otx_tasks.qa.squad_scoring import normalise
from otx_tasks.qa.windows import Lengths, Window, windows

SENTENCE_END = re.compile(r"(?<=[.!?\u3002\uff01\uff1f\u061f])\s*")
TRAIN_FOLDERS = ("", "squad-v1.1", "squad", "qa/squad-v1.1")
HUB_TRAIN = "rajpurkar/squad"
WANTED_TRAIN = "give train-v1.1.json (or .json.gz) with --train, or its folder with --data"

SpanLabels = tuple[Tensor, Tensor]
"""Start and end positions ``[B, 2]`` and the mask ``[B, T]``."""


class SpanTask:
    """Fine-tuning and decoding as XTREME does it (Hu et al. 2020).

    Answers that are not where their offset says are refused: never trained on, listed by ``problems``. In test sets
    they still count as answers, because the scorer compares texts. A subclass says where its test questions come from,
    how answers are compared, and what it is trained on if not SQuAD v1.1.
    """

    info: ClassVar[TaskInfo]
    wanted: ClassVar[str]
    """What to give where there are no test files."""
    splits: ClassVar[tuple[str, ...]] = ("test",)
    """What may be tested on: the first of these that has files, unless the option ``split`` names one."""
    head_kind = "question-answering"
    feature = Window
    floor_names = ("n-gram",)

    def __init__(self, options: SpanOptions) -> None:
        self.options = options
        self._tests: dict[str, Questions] = {}

    def hub_languages(self) -> Sequence[str]:
        """The languages that the Hub has, where no folder is given. Raises DataError if it is not read from there."""
        raise MissingDataError(f"{self.info.name} needs files", self.wanted)

    def hub_test(self, language: str) -> Questions:
        """The test questions of a language from the Hub."""
        raise MissingDataError(f"{self.info.name} needs files", self.wanted)

    def file_name(self, language: str, split: str) -> str:
        """What a language's test file is called."""
        raise NotImplementedError

    def test_files(self, folder: Path, split: str) -> dict[str, Path]:
        """The test files in a folder, by language."""
        raise NotImplementedError

    def normaliser(self, language: str) -> Normalise:
        """How answers in a language are made alike before they are compared."""
        return normalise

    def languages(self) -> list[str]:
        """The languages of the folder's files (or of the Hub), English first."""
        found = self.hub_languages() if self.options.data is None else tuple(self._split[1])
        return sorted(found, key=lambda language: (language != self.options.source, language))

    def examples(self, language: str) -> list[Example]:
        """The questions of a language, with the fields that ``otx_tasks.qa.squad`` names."""
        return self._test(language).examples

    def fingerprint(self, language: str) -> str:
        """A hash of questions, contexts and answers."""
        return digest(self.examples(language))

    def training(self, seed: int) -> tuple[list[Example], list[Example]]:
        """Questions with a located answer; 5 % of the articles are for development, the same for every seed.

        Raises DataError if a paragraph of the English test set is among them (SQuAD's dev set holds all of XQuAD).
        """
        return self._training

    def training_fingerprint(self) -> str:
        """A hash of the training and development questions and of every option but the paths."""
        return digest([*self._training[0], *self._training[1]], keyed_options(self.options))

    def problems(self) -> list[Problem]:
        """Every refused answer in the files read so far."""
        read = [*self._tests.values(), *([self._train] if "_train" in self.__dict__ else [])]
        return [problem for questions in read for problem in questions.problems]

    def sentences(self, language: str) -> list[str]:
        """Every different question and sentence of a context."""
        examples = self.examples(language)
        contexts = {example.fields["context"] for example in examples}
        found = {part for context in contexts for part in SENTENCE_END.split(context) if part}
        return sorted(found | {example.fields["question"] for example in examples})

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """What a reader of the scores should know: answers whose offsets do not fit."""
        count = len(self._test(language).problems)
        lines = [f"{count} gold answers are not at their offsets"] if count else []
        wanted = getattr(self.options, "split", None)
        return lines + split_note(self._split[0], self.splits, wanted)

    def labels(self) -> Sequence[str]:
        """None: a span has two logits a sub-word."""
        return ()

    def carried(self, head: nn.Module) -> nn.Module:
        """A checkpoint's own span head, as it is."""
        return head

    def features(self, encoder: Encoder, examples: Sequence[Example]) -> list[Window]:
        """Windows of at most ``max_length`` sub-words, or of the encoder's limit where that is lower."""
        limits = Lengths(
            window=min(self.options.max_length, encoder.max_length),
            stride=self.options.stride,
            question=self.options.question_length,
        )
        return windows(encoder, examples, limits)

    def collate(
        self, encoder: Encoder, features: Sequence[Window]
    ) -> tuple[TokenBatch, SpanLabels | None]:
        """The padded windows, and their positions with the mask; no labels if one has none."""
        batch = padded(encoder, [(f.ids, f.types, f.special) for f in features])
        labels = [feature.label for feature in features if feature.label is not None]
        if len(labels) < len(features):
            return batch, None
        return batch, (torch.tensor(labels, device=batch.ids.device), batch.mask)

    def loss(self, logits: Tensor, labels: SpanLabels) -> Loss:
        """Mean over start and end, and over windows, of the cross-entropy over the real positions.

        ``logits [B, T, 2]``. A window without the answer is to point at its first position.
        """
        positions, mask = labels
        real = logits.float().masked_fill(~mask.unsqueeze(-1), -torch.inf)
        start = functional.cross_entropy(real[..., 0], positions[:, 0])
        end = functional.cross_entropy(real[..., 1], positions[:, 1])
        return Loss((start + end) / 2, terms={"start": start.detach(), "end": end.detach()})

    def decode(self, features: Sequence[Window], logits: Sequence[Tensor]) -> dict[str, str]:
        """The answer to each question, cut out of its context."""
        return best_answers(features, logits, self.options.answer_length)

    def score(self, prediction: str, example: Example) -> Score:
        """``exact`` and ``f1`` over the gold answers, and ``n`` = 1."""
        alike = self.normaliser(example.fields.get("language", self.info.source_language))
        exact, f1 = best_scores(prediction, example.fields["answers"], alike)
        return Score(example.id, example.cluster, {"exact": exact, "f1": f1, "n": 1.0})

    def read_line(self, line: str, number: int) -> Example:
        """A question and its context, with a tab between them."""
        question, tab, context = line.partition("\t")
        if not tab or not context.strip():
            raise DataError(
                f"line {number} has no context", "write the question, a tab, and the context"
            )
        fields = {"question": question, "context": context, "answers": [], "starts": []}
        return Example(str(number), str(number), fields)

    def count_cut(self, encoder: Encoder, examples: Sequence[Example]) -> list[int]:
        """Count the sub-words of each question that are left out; every context is read, in windows."""
        questions = [example.fields["question"] for example in examples]
        rows = encoder.tokenizer(questions, add_special_tokens=False, verbose=False)["input_ids"]
        return [max(0, len(ids) - self.options.question_length) for ids in rows]

    def write_line(self, prediction: str) -> str:
        """The answer on one line."""
        return " ".join(prediction.split())

    def floors(self, language: str) -> dict[str, list[Score]]:
        """``n-gram``: the clause that shares most character trigrams with the question."""
        examples = self.examples(language)
        guesses = [most_similar_clause(e.fields["question"], e.fields["context"]) for e in examples]
        return {"n-gram": [self.score(g, e) for g, e in zip(guesses, examples, strict=True)]}

    @cached_property
    def _split(self) -> tuple[str, Mapping[str, Path]]:
        """What is tested on, and its files by language (none: from the Hub)."""
        if self.options.data is None:
            return self.splits[0], {}
        folder = folder_of(self.options.data)
        wanted = getattr(self.options, "split", None)
        split, found = first_split(
            wanted, self.splits, lambda split: self.test_files(folder, split)
        )
        if not found:
            raise MissingDataError(f"{folder}: no {self.file_name('XX', split)}", self.wanted)
        return split, found

    def _test(self, language: str) -> Questions:
        if language not in self._tests:
            questions = self._read_test(language)
            unlabelled = [e.id for e in questions.examples if not e.fields["answers"]]
            if unlabelled:
                where = f"{self.info.name} {language}"
                raise DataError(
                    f"{where}: {len(unlabelled)} questions have no answers, the first is {unlabelled[0]}",
                    "scoring needs the labelled files",
                )
            limited = questions.examples[: self.options.test_limit]
            self._tests[language] = Questions(limited, questions.problems)
        return self._tests[language]

    def _read_test(self, language: str) -> Questions:
        if self.options.data is None:
            return self.hub_test(language)
        split, files = self._split
        if language not in files:
            raise MissingDataError(
                f"{self.options.data}: no {self.file_name(language, split)}", self.wanted
            )
        return read_squad(files[language])

    @cached_property
    def _train(self) -> Questions:
        if self.options.train is not None:
            return read_squad(Path(self.options.train).expanduser())
        if self.options.source != self.info.source_language:
            raise MissingDataError(
                f"{self.info.name}: no training file in {self.options.source}",
                "give one in the SQuAD v1.1 layout with --train",
            )
        if self.options.data is None:
            rows = parquet_rows(HUB_TRAIN, "plain_text", "train", WANTED_TRAIN)
            return locate_answers(rows, HUB_TRAIN)
        folder = folder_of(self.options.data)
        for name in TRAIN_FOLDERS:
            if path := existing(folder / name / "train-v1.1.json"):
                return read_squad(path)
        raise MissingDataError(f"{folder}: no train-v1.1.json", WANTED_TRAIN)

    @cached_property
    def _training(self) -> tuple[list[Example], list[Example]]:
        located = _with_place(self._train)
        self._refuse_leak(located)
        training, development = carve(
            located, lambda example: str(example.fields["article"]), self.options.train_limit
        )
        tested = (e for language in self.languages() for e in self.examples(language))
        more = further(
            self.options,
            lambda path: _with_place(read_squad(path)),
            tested,
            lambda e: e.fields["context"],
        )
        return [*training, *more], development

    def _refuse_leak(self, examples: Sequence[Example]) -> None:
        source = self.options.source
        if source not in self.languages():
            return
        tested = {example.fields["context"] for example in self.examples(source)}
        leaked = [example.id for example in examples if example.fields["context"] in tested]
        if leaked:
            raise DataError(
                f"{len(leaked)} training questions are on paragraphs of {self.info.name}, the first is {leaked[0]}",
                "train on SQuAD v1.1 train; XQuAD is a part of SQuAD v1.1 dev",
            )


def _with_place(questions: Questions) -> list[Example]:
    """Those whose answer is where it is said to be."""
    return [e for e in questions.examples if {*e.fields["starts"]} - {UNLOCATED}]
