"""Options that all transfer tasks share; each family of tasks adds its own in its ``options`` module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Interval

from otx.config.roles import OPTIMISATION, PATH
from otx.config.validation import Constrained


@dataclass(frozen=True)
class TransferOptions(Constrained):
    """Options of every task that is fine-tuned in one language and tested in others.

    Attributes:
        data: Folder with the test files and the training file, or with the folders that contain them; plain or gz.
        train: Training file; replaces the one in ``data``.
        train_limit: Maximum number of training examples; the development part shrinks in proportion.
        source: Language of the training and development data, and of the transfer gap.
        also: Further training files: translations of the training file (translate-train), or examples of tested
            languages (few-shot).
        also_limit: Maximum number of examples of each file in ``also``, its first.
        test_limit: Maximum number of test examples of each language, its first.
        epochs: Number of passes over the training examples.
        lr: Peak learning rate.
        batch: Number of examples (or windows) in an optimiser step.
        warmup: Share of the steps over which the learning rate rises.
        weight_decay: Weight decay of AdamW.
    """

    data: str | None = field(default=None, metadata=PATH)
    train: str | None = field(default=None, metadata=PATH)
    train_limit: Annotated[int, Gt(0)] | None = None
    source: str = "en"
    also: tuple[str, ...] = field(default=(), metadata=PATH)
    also_limit: Annotated[int, Gt(0)] | None = None
    test_limit: Annotated[int, Gt(0)] | None = None
    epochs: Annotated[float, Gt(0)] = field(default=5.0, metadata=OPTIMISATION)
    lr: Annotated[float, Gt(0)] = field(default=2e-5, metadata=OPTIMISATION)
    batch: Annotated[int, Gt(0)] = field(default=32, metadata=OPTIMISATION)
    warmup: Annotated[float, Interval(ge=0, lt=1)] = field(default=0.0, metadata=OPTIMISATION)
    weight_decay: Annotated[float, Ge(0)] = field(default=0.0, metadata=OPTIMISATION)
