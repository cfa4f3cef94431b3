"""XNLI: inference learnt on English sentence pairs, classified in each language."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from otx.errors import DataError
from otx.types import Example
from otx_tasks.classification import XNLI
from otx_tasks.classification.classifier import Classifier
from otx_tasks.classification.nli_examples import parallel_examples, training_examples
from otx_tasks.classification.nli_files import LABELS, read_nli
from otx_tasks.classification.options import XnliOptions
from otx_tasks.classification.xnli_folder import XnliFolder, train_files
from otx_tasks.classification.xnli_hub import XnliHub, train_rows
from otx_tasks.files import plain_name, refuse_duplicates


class XnliTask(Classifier):
    """XNLI, fine-tuned as in XTREME. Its classes are ``LABELS``, in this order.

    Args:
        options: Options of the task.

    References:
        Conneau et al. (2018), "XNLI". https://arxiv.org/abs/1809.05053
        Hu et al. (2020), "XTREME". https://arxiv.org/abs/2003.11080
    """

    info = XNLI
    options: XnliOptions
    classes = LABELS
    leak_remedy = "train on other pairs"
    text_fields = ("premise", "hypothesis")

    def texts(self, example: Example) -> tuple[str, ...]:
        """Return premise and hypothesis."""
        return example.fields["premise"], example.fields["hypothesis"]

    def fields_of(self, texts: Sequence[str]) -> dict[str, str]:
        """Return premise and hypothesis, in this order."""
        return {"premise": texts[0], "hypothesis": texts[1]}

    def test_languages(self) -> Collection[str]:
        """Return the languages of the folder's files, or XNLI's 15 on the Hub."""
        return self._source.languages()

    def find_test_files(self, folder: Path, split: str) -> Mapping[str, Path]:
        """Return the file of each language, which may be the same for all."""
        return XnliFolder(str(folder), split).files

    @property
    def split_name(self) -> str:
        """Name of the split that is tested on."""
        return self.options.split

    def read_test(self, language: str) -> list[Example]:
        """Read the pairs of a language, checked against English's.

        The fields are ``premise``, ``hypothesis`` and ``label``.
        """
        source = self._source
        pivot = self.info.source_language
        rows = source.rows(language)
        original = source.rows(pivot) if pivot in source.languages() else rows
        where = f"xnli {self.options.split} {language}"
        return parallel_examples(rows, original, source.names(), where)

    def read_training(self) -> list[Example]:
        """Read the training pairs of the source language, from all of its files."""
        options = self.options
        if options.train is None and options.data is None:
            return training_examples(train_rows(options.source), "train", options.source)
        paths = (
            [Path(options.train).expanduser()]
            if options.train
            else train_files(options.data or "", options.source)
        )
        return [example for path in paths for example in self._read_file(path, options.source)]

    def read_extra(self, path: Path) -> list[Example]:
        """Read a file of the option ``also``, in any language."""
        return self._read_file(path, None)

    def check_training(self, examples: Sequence[Example]) -> None:
        """Raise DataError if an id occurs twice, or a label never."""
        refuse_duplicates(examples, "xnli training")
        missing = {*LABELS} - {example.fields["label"] for example in examples}
        if missing:
            raise DataError(
                f"xnli: no training pair has the label {', '.join(sorted(missing))}",
                f"labels are {', '.join(LABELS)}; look at the training file and --train-limit",
            )

    @cached_property
    def _source(self) -> XnliFolder | XnliHub:
        data, split = self.options.data, self.options.split
        return XnliHub(split) if data is None else XnliFolder(data, split)

    def _read_file(self, path: Path, language: str | None) -> list[Example]:
        """Return the usable rows of a file, in one language if it is given."""
        file = read_nli(path)
        self._problems += file.problems
        return training_examples(file.rows, plain_name(path), language)
