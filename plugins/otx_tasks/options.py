"""What can be set for each task, as ``[task-name]`` in otx.toml or ``--set task-name.key=value``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from otx.config.roles import OPTIMISATION, PATH
from otx.errors import UsageError


@dataclass(frozen=True)
class SentenceOptions:
    """Options of probes of sentence vectors.

    data: folder of line-aligned files; without it, the held-out part of the embedded sample.
    layer: hidden layer whose sub-words are averaged into a sentence vector (-1 = last).
    neighbours: how many sentences count as near.
    batch: sentences encoded at once.
    """

    data: str | None = field(default=None, metadata=PATH)
    layer: int = -1
    neighbours: int = 10
    batch: int = 64

    def __post_init__(self) -> None:
        _positive(neighbours=self.neighbours, batch=self.batch)


@dataclass(frozen=True)
class RetrievalOptions(SentenceOptions):
    """Options of ``retrieval``.

    data: folder of line-aligned files; without it, the held-out part of the embedded sample, whose translations are
        sought among its training sentences, too.
    neighbours: k of CSLS.
    """


@dataclass(frozen=True)
class StructureOptions(SentenceOptions):
    """Options of ``structure``.

    neighbours: sentences that count as near, for hubness.
    """


@dataclass(frozen=True)
class BuccOptions(SentenceOptions):
    """Options of ``bucc``.

    data: folder with ``XX-en.training.{XX,en,gold}`` and ``XX-en.test.{XX,en,gold}``, plain or gz.
    neighbours: k of the margin.
    """

    neighbours: int = 4


@dataclass(frozen=True)
class GoldOptions:
    """Options of probes of words with gold links.

    data: folder of ``.src-tgt`` and ``.gold`` files, plain or gz, or one of them; without it, the embedded sample's
        held-out part.
    index_base: what the gold indices count from, 0 or 1; by default what the folder's ``sets.tsv`` says, else 0, and a
        set without a 0 is refused.
    layer: hidden layer of the word vectors (-1 = last).
    vector: which sub-words make a word's vector: ``last``, ``first`` or ``mean``.
    batch: sentence pairs encoded at once.
    """

    data: str | None = field(default=None, metadata=PATH)
    index_base: int | None = None
    layer: int = -1
    vector: Literal["last", "first", "mean"] = "last"
    batch: int = 64

    def __post_init__(self) -> None:
        _positive(batch=self.batch)
        if self.index_base not in (None, 0, 1):
            raise UsageError(
                f"index_base is {self.index_base}", "gold indices count from 0 or from 1"
            )


@dataclass(frozen=True)
class WordAlignmentOptions(GoldOptions):
    """Options of ``word-alignment``.

    extraction: how links are found: ``argmax`` (mutual), ``itermax``, ``softmax`` or ``entmax`` (probable both
        ways), ``plan`` (of the transport plan) or ``null`` (the same with a null word).
    threshold: probability that a link needs in both directions (``softmax``: .001 without it, ``entmax``: above 0);
        for ``plan``, the share of the largest entry that one needs (without it, those that are their words' best).
    epsilon: entropic regularisation of the plan, in units of the cosine cost.
    """

    extraction: Literal["argmax", "itermax", "softmax", "entmax", "plan", "null"] = "argmax"
    threshold: float | None = None
    epsilon: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        _positive(epsilon=self.epsilon)


@dataclass(frozen=True)
class WordRetrievalOptions(GoldOptions):
    """Options of ``word-retrieval``.

    sentences: the first this many sentence pairs of a set, whose words are searched.
    neighbours: k of CSLS.
    """

    sentences: int = 1024
    neighbours: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        _positive(sentences=self.sentences, neighbours=self.neighbours)


@dataclass(frozen=True)
class TransferOptions:
    """Options of every task that is fine-tuned in one language and tested in others.

    data: folder with the tests' files and the training file, or with the folders that hold them; plain or gz.
    train: training file, instead of the one in ``data``.
    train_limit: train on this many examples only; the development part shrinks in proportion.
    source: language that is trained in; what development data and the transfer gap are of.
    also: training files beside that one: its translations (translate-train), or examples of tested languages
        (few-shot).
    also_limit: train on the first this many examples of each file in ``also`` only.
    test_limit: test on the first this many examples of each language only.
    epochs: passes over the training examples.
    lr: peak learning rate.
    batch: examples (or windows) in one optimiser step.
    warmup: share of the steps with a rising learning rate.
    weight_decay: AdamW's.
    """

    data: str | None = field(default=None, metadata=PATH)
    train: str | None = field(default=None, metadata=PATH)
    train_limit: int | None = None
    source: str = "en"
    also: tuple[str, ...] = field(default=(), metadata=PATH)
    also_limit: int | None = None
    test_limit: int | None = None
    epochs: float = field(default=5.0, metadata=OPTIMISATION)
    lr: float = field(default=2e-5, metadata=OPTIMISATION)
    batch: int = field(default=32, metadata=OPTIMISATION)
    warmup: float = field(default=0.0, metadata=OPTIMISATION)
    weight_decay: float = field(default=0.0, metadata=OPTIMISATION)

    def __post_init__(self) -> None:
        _positive(
            train_limit=self.train_limit,
            also_limit=self.also_limit,
            test_limit=self.test_limit,
            epochs=self.epochs,
            lr=self.lr,
            batch=self.batch,
        )
        if not 0 <= self.warmup < 1:
            raise UsageError(f"warmup is {self.warmup}", "give a share of the steps, 0 to 1")
        if not self.weight_decay >= 0:
            raise UsageError(f"weight_decay is {self.weight_decay}", "give 0 or more")


@dataclass(frozen=True)
class SpanOptions(TransferOptions):
    """Options of tasks that answer with a span; the defaults are XTREME's (scripts/train_qa.sh).

    train: training file in the SQuAD v1.1 layout, instead of the one in ``data``.
    warmup: share of the steps with a rising learning rate (XTREME: 500 of about 8,250 steps).
    max_length: sub-words of question and context together, special tokens included.
    stride: sub-words from the beginning of one window of a long context to that of the next.
    question_length: sub-words of a question that are kept.
    answer_length: longest answer, in sub-words.
    """

    epochs: float = field(default=3.0, metadata=OPTIMISATION)
    lr: float = field(default=3e-5, metadata=OPTIMISATION)
    warmup: float = field(default=0.06, metadata=OPTIMISATION)
    weight_decay: float = field(default=1e-4, metadata=OPTIMISATION)
    max_length: int = 384
    stride: int = 128
    question_length: int = 64
    answer_length: int = 30

    def __post_init__(self) -> None:
        super().__post_init__()
        _positive(
            max_length=self.max_length,
            stride=self.stride,
            question_length=self.question_length,
            answer_length=self.answer_length,
        )


@dataclass(frozen=True)
class XquadOptions(SpanOptions):
    """Options of ``xquad``.

    data: folder with ``xquad.XX.json`` (or ``xquad/``) and ``train-v1.1.json`` (or ``squad-v1.1/``); plain or gz.
    train: SQuAD v1.1 training file, instead of the one in ``data``.
    """


@dataclass(frozen=True)
class MlqaOptions(SpanOptions):
    """Options of ``mlqa``.

    split: which part of MLQA is tested on; without it ``test``, or ``dev`` where only that is there (which is said).
    """

    split: Literal["test", "dev"] | None = None


@dataclass(frozen=True)
class TydiqaOptions(SpanOptions):
    """Options of ``tydiqa-goldp``.

    split: what is tested on; without it ``dev``, as XTREME does, or where only that is there (which is said) the
        ``train`` files of the languages that are not trained on.
    """

    split: Literal["dev", "train"] | None = None


@dataclass(frozen=True)
class XnliOptions(TransferOptions):
    """Options of ``xnli``; the defaults are XTREME's (scripts/train_xnli.sh).

    data: folder with ``test-XX.tsv`` (XTREME) or ``xnli.test.tsv`` / ``.jsonl`` (XNLI 1.0), or ``xnli/`` with them,
        and training files (``train-XX.tsv``; English also ``multinli.train.en.tsv`` or ``english-train/*.tsv``).
    train: training file (TSV or JSONL), instead of those in ``data``.
    split: which part of XNLI is tested on, ``test`` or ``dev``.
    max_length: sub-words of premise and hypothesis together, special tokens included; the longer one is cut first.
    """

    split: Literal["test", "dev"] = "test"
    max_length: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        _positive(max_length=self.max_length)


@dataclass(frozen=True)
class TaggingOptions(TransferOptions):
    """Options of ``pos`` and ``ner``; the defaults are XTREME's (scripts/train_udpos.sh, train_panx.sh).

    data: folder with ``test-XX.tsv`` (token, tab, tag; a blank line between sentences) or CoNLL-U files
        ``XX_*-ud-test.conllu``, and ``train-XX.tsv``; or with the folders that hold them.
    split: which part is tested on; without it ``test``, or ``dev`` where only that is there (which is said).
    max_length: sub-words of a sentence, special tokens included; words beyond are not tagged.
    """

    split: Literal["test", "dev"] | None = None
    epochs: float = field(default=10.0, metadata=OPTIMISATION)
    max_length: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        _positive(max_length=self.max_length)


@dataclass(frozen=True)
class ClassificationOptions(TransferOptions):
    """Options of ``classification`` and ``paws-x``; the defaults are XTREME's (scripts/train_pawsx.sh).

    data: folder with ``test-XX.tsv`` and ``train-XX.tsv``: a text or two and a class, with a header or without.
    split: which files are tested on; without it ``test``, or ``dev`` where only these are there (which is said).
    max_length: sub-words of a row, special tokens included; the longer text is cut first.
    """

    split: Literal["test", "dev"] | None = None
    max_length: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        _positive(max_length=self.max_length)


def _positive(**values: float | None) -> None:
    for name, value in values.items():
        if value is not None and not value > 0:
            raise UsageError(f"{name} is {value}", "give a number above 0")
