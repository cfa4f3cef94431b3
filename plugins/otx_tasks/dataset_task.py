"""Base class of our transfer tasks: test files by language, one training file, development split, leak check."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Hashable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from otx.errors import DataError, MissingDataError
from otx.interfaces import BaseTransferTask
from otx.types import Example, Problem, Score
from otx_tasks.dev_split import split_development
from otx_tasks.extra_training_data import read_extra_training
from otx_tasks.files import TestSplit, first_split, folder_of, split_note
from otx_tasks.options import TransferOptions


class DatasetTask(BaseTransferTask):
    """A transfer task that reads a test file per language and a training file, from a folder or from the Hub.

    A subclass implements ``find_test_files``, ``read_test``, ``read_training``, ``read_extra`` and ``content``, and
    what ``BaseTransferTask`` asks for. Test and training files are parsed once. Development examples are held out from
    the training file, the same for every seed.

    Args:
        options: Options of the task.

    Attributes:
        splits: Names of the parts that may be tested on: the first that has files, unless the option ``split`` names
            one.
        data_remedy: Files to give with ``--data``, for messages.
        leak_remedy: Advice if tested examples are trained on.
    """

    options: TransferOptions
    splits: ClassVar[tuple[str, ...]] = ("test", "dev")
    data_remedy: ClassVar[str] = "give their folder with --data"
    leak_remedy: ClassVar[str] = "train on other examples"

    def __init__(self, options: TransferOptions) -> None:
        super().__init__(options)
        self._problems: list[Problem] = []

    @abstractmethod
    def find_test_files(self, folder: Path, split: str) -> Mapping[str, Path]:
        """Return the test file of each language in a folder; empty if there are none.

        Args:
            folder: The folder that ``--data`` names.
            split: Name of the split.
        """

    @abstractmethod
    def read_test(self, language: str) -> list[Example]:
        """Read every test example of a language.

        Args:
            language: A language with test data.
        """

    @abstractmethod
    def read_training(self) -> list[Example]:
        """Read every usable training example of the source language."""

    @abstractmethod
    def read_extra(self, path: Path) -> list[Example]:
        """Read a file of the option ``also``.

        Args:
            path: The file.
        """

    @abstractmethod
    def content(self, example: Example) -> Hashable:
        """Return what identifies an example by its content.

        Training examples with the content of a test example are refused.

        Args:
            example: A training or test example.
        """

    def hub_languages(self) -> Collection[str]:
        """Return the languages that the Hub has, which are read if no folder is given.

        Raises:
            MissingDataError: If the task is not read from the Hub.
        """
        raise MissingDataError(f"{self.info.name} needs files", self.data_remedy)

    def missing_files(self, folder: Path, split: str) -> MissingDataError:
        """Return the error for a folder without test files.

        Args:
            folder: The folder.
            split: Name of the split.
        """
        return MissingDataError(f"{folder}: no {self.info.name} {split} files", self.data_remedy)

    def missing_language(self, language: str) -> DataError:
        """Return the error for a language without test data.

        Args:
            language: The language.
        """
        return DataError(
            f"{self.info.name}: no {self.split_name} file in {language}",
            f"available languages: {', '.join(self.languages())}",
        )

    def group(self, example: Example) -> str:
        """Return the group of a training example, by default its cluster.

        A group is never split between training and development.

        Args:
            example: A training example.
        """
        return example.cluster

    def check_training(self, examples: Sequence[Example]) -> None:
        """Check the training examples before they are split.

        Args:
            examples: Every training example of the source language.

        Raises:
            DataError: If they cannot be used.
        """

    def check_extra(self, examples: Sequence[Example]) -> None:
        """Check the examples of the files in the option ``also``.

        Args:
            examples: These examples.

        Raises:
            DataError: If they cannot be used.
        """

    def check_leak(self, training: Sequence[Example], tested: Sequence[Example]) -> None:
        """Check that no test example of the source language is trained on.

        Args:
            training: Training examples, before the development split.
            tested: Test examples of the source language.

        Raises:
            DataError: If an example is in both.
        """
        contents = {self.content(example) for example in tested}
        leaked = [example.id for example in training if self.content(example) in contents]
        if leaked:
            raise DataError(
                f"{len(leaked)} training examples are in the {self.options.source} {self.split_name} set of "
                f"{self.info.name}, the first is {leaked[0]}",
                self.leak_remedy,
            )

    def languages(self) -> list[str]:
        """Return the languages with test data, the source language first."""
        source = self.options.source
        return sorted(self.test_languages(), key=lambda language: (language != source, language))

    def load_examples(self, language: str) -> list[Example]:
        """Read the test examples of a language, as many as ``test_limit`` allows."""
        if language not in self.test_languages():
            raise self.missing_language(language)
        return self.read_test(language)[: self.options.test_limit]

    def load_training(self, seed: int) -> tuple[list[Example], list[Example]]:
        """Return training and development examples, the same for every seed."""
        return self._training_data

    def problems(self) -> list[Problem]:
        """Return every refused row or answer of the files read so far."""
        return list(self._problems)

    def notes(self, language: str, scores: Sequence[Score]) -> list[str]:
        """Return a warning if another split than the default one is tested."""
        return split_note(self.split_name, self.splits, getattr(self.options, "split", None))

    def test_languages(self) -> Collection[str]:
        """Return the languages with test data, in any order."""
        return self.hub_languages() if self.options.data is None else self.test_split.files

    @property
    def split_name(self) -> str:
        """Name of the split that is tested on."""
        return self.test_split.name

    @cached_property
    def test_split(self) -> TestSplit:
        """The split that is tested on and its files, found on first use."""
        requested: str | None = getattr(self.options, "split", None)
        if self.options.data is None:
            return TestSplit(requested or self.splits[0], {})
        folder = folder_of(self.options.data)
        split = first_split(requested, self.splits, lambda name: self.find_test_files(folder, name))
        if not split.files:
            raise self.missing_files(folder, split.name)
        return split

    @cached_property
    def _training_data(self) -> tuple[list[Example], list[Example]]:
        examples = self.read_training()
        self.check_training(examples)
        if self.options.source in self.test_languages():
            self.check_leak(examples, self.examples(self.options.source))
        training, development = split_development(examples, self.group, self.options.train_limit)
        tested = (e for language in self.test_languages() for e in self.examples(language))
        extra = read_extra_training(self.options, self.read_extra, tested, self.content)
        self.check_extra(extra)
        return [*training, *extra], development
