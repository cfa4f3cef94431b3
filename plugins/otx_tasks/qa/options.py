"""Options of the question-answering tasks: table ``[task-name]``, or ``--set task-name.key=value``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

from otx.config.roles import OPTIMISATION
from otx_tasks.options import TransferOptions


@dataclass(frozen=True)
class SpanOptions(TransferOptions):
    """Options of tasks that answer with a span; the defaults are XTREME's (scripts/train_qa.sh).

    Attributes:
        train: Training file in the SQuAD v1.1 layout; replaces the one in ``data``.
        warmup: Share of the steps over which the learning rate rises (XTREME: 500 of about 8,250 steps).
        max_length: Maximum number of sub-words of question and context together, special tokens included.
        stride: Number of sub-words from the beginning of one window of a long context to that of the next.
        question_length: Maximum number of sub-words of a question; the rest is cut.
        answer_length: Maximum number of sub-words of an answer.
    """

    epochs: Annotated[float, Gt(0)] = field(default=3.0, metadata=OPTIMISATION)
    lr: Annotated[float, Gt(0)] = field(default=3e-5, metadata=OPTIMISATION)
    warmup: Annotated[float, Interval(ge=0, lt=1)] = field(default=0.06, metadata=OPTIMISATION)
    weight_decay: Annotated[float, Ge(0)] = field(default=1e-4, metadata=OPTIMISATION)
    max_length: Annotated[int, Gt(0)] = 384
    stride: Annotated[int, Gt(0)] = 128
    question_length: Annotated[int, Gt(0)] = 64
    answer_length: Annotated[int, Gt(0)] = 30


@dataclass(frozen=True)
class XquadOptions(SpanOptions):
    """Options of ``xquad``.

    Attributes:
        data: Folder with ``xquad.XX.json`` (or ``xquad/``) and ``train-v1.1.json`` (or ``squad-v1.1/``); plain or gz.
        train: SQuAD v1.1 training file; replaces the one in ``data``.
    """


@dataclass(frozen=True)
class MlqaOptions(SpanOptions):
    """Options of ``mlqa``.

    Attributes:
        split: Part of MLQA that is tested on; none means ``test``, or ``dev`` (with a note) if only that has files.
    """

    split: Literal["test", "dev"] | None = None


@dataclass(frozen=True)
class TydiqaOptions(SpanOptions):
    """Options of ``tydiqa-goldp``.

    Attributes:
        split: Part that is tested on; none means ``dev``, as in XTREME, or (with a note) if only that has files, the
            ``train`` files of the languages that are not trained on.
    """

    split: Literal["dev", "train"] | None = None
