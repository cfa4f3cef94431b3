"""XNLI: inference learnt on English sentence pairs, classified in each language."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from otx.config.roles import keyed_options
from otx.errors import DataError
from otx.files.example_digest import digest
from otx.types import Example, Problem
from otx_tasks import infos
from otx_tasks.classification.classifier import Classifier
from otx_tasks.classification.nli_examples import parallel_examples, training_examples
from otx_tasks.classification.nli_files import LABELS, read_nli
from otx_tasks.classification.xnli_folder import XnliFolder, train_files
from otx_tasks.classification.xnli_hub import XnliHub, train_rows
from otx_tasks.dev_split import carve
from otx_tasks.extra_training_data import further
from otx_tasks.files import plain_name, refuse_duplicates
from otx_tasks.options import XnliOptions


class XnliTask(Classifier):
    """Conneau et al. 2018; fine-tuning as XTREME does it (Hu et al. 2020). Labels in the order of LABELS."""

    info = infos.XNLI
    classes = LABELS

    def __init__(self, options: XnliOptions) -> None:
        super().__init__(options)
        self._examples: dict[str, list[Example]] = {}
        self._refused: list[Problem] = []

    def texts(self, example: Example) -> tuple[str, ...]:
        """Premise and hypothesis."""
        return _pair(example)

    def fields_of(self, texts: Sequence[str]) -> dict[str, str]:
        """Premise and hypothesis, in this order."""
        return {"premise": texts[0], "hypothesis": texts[1]}

    def languages(self) -> list[str]:
        """The languages of the folder's files (or XNLI's 15 on the Hub), the trained one first."""
        source = self.options.source
        return sorted(self._source.languages(), key=lambda language: (language != source, language))

    def examples(self, language: str) -> list[Example]:
        """The pairs of a language, with fields ``premise``, ``hypothesis``, ``label``, checked against English's."""
        if language not in self._examples:
            source = self._source
            pivot = self.info.source_language
            rows = source.rows(language)
            original = source.rows(pivot) if pivot in source.languages() else rows
            where = f"xnli {self.options.split} {language}"
            examples = parallel_examples(rows, original, source.names(), where)
            self._examples[language] = examples[: self.options.test_limit]
        return self._examples[language]

    def fingerprint(self, language: str) -> str:
        """A hash of pairs, labels and clusters."""
        return digest(self.examples(language))

    def training(self, seed: int) -> tuple[list[Example], list[Example]]:
        """English pairs; the pairs on 5 % of the premises are for development, the same for every seed.

        With several files a limit takes a mix of them. Raises DataError if a pair of the English test set is among
        them, or if a label does not occur.
        """
        return self._training

    def training_fingerprint(self) -> str:
        """A hash of the training and development pairs and of every option but the paths."""
        return digest([*self._training[0], *self._training[1]], keyed_options(self.options))

    def problems(self) -> list[Problem]:
        """Every training row that was refused, once training examples were asked for."""
        return list(self._refused)

    def sentences(self, language: str) -> list[str]:
        """Every different premise and hypothesis."""
        sides = ("premise", "hypothesis")
        return sorted({e.fields[side] for e in self.examples(language) for side in sides})

    @cached_property
    def _source(self) -> XnliFolder | XnliHub:
        data, split = self.options.data, self.options.split
        return XnliHub(split) if data is None else XnliFolder(data, split)

    @cached_property
    def _training(self) -> tuple[list[Example], list[Example]]:
        examples = self._training_examples()
        refuse_duplicates(examples, "xnli training")
        missing = {*LABELS} - {example.fields["label"] for example in examples}
        if missing:
            raise DataError(
                f"xnli: no training pair has the label {', '.join(sorted(missing))}",
                f"labels are {', '.join(LABELS)}; look at the training file and --train-limit",
            )
        self._refuse_leak(examples)
        training, development = carve(
            examples, lambda example: example.cluster, self.options.train_limit
        )
        tested = (e for language in self.languages() for e in self.examples(language))
        more = further(self.options, lambda path: self._file(path, None), tested, _pair)
        return [*training, *more], development

    def _training_examples(self) -> list[Example]:
        options = self.options
        if options.train is None and options.data is None:
            return training_examples(train_rows(options.source), "train", options.source)
        paths = (
            [Path(options.train).expanduser()]
            if options.train
            else train_files(options.data or "", options.source)
        )
        return [example for path in paths for example in self._file(path, options.source)]

    def _file(self, path: Path, language: str | None) -> list[Example]:
        """The usable rows of a file, in one language if it is given."""
        file = read_nli(path)
        self._refused += file.problems
        return training_examples(file.rows, plain_name(path), language)

    def _refuse_leak(self, examples: Sequence[Example]) -> None:
        source = self.options.source
        if source not in self.languages():
            return
        tested = {_pair(example) for example in self.examples(source)}
        leaked = [example.id for example in examples if _pair(example) in tested]
        if leaked:
            raise DataError(
                f"{len(leaked)} training pairs are in XNLI's {self.options.split} set, the first is {leaked[0]}",
                "train on other pairs",
            )


def _pair(example: Example) -> tuple[str, str]:
    return example.fields["premise"], example.fields["hypothesis"]
