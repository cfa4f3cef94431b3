"""The tables of otx.toml that are ours, their defaults and their ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from otx.config.objective_term import parse_term
from otx.config.validation import SettingError
from otx.errors import UsageError
from otx.types import Part, WordVector


@dataclass(frozen=True, slots=True)
class AlignSettings:
    """Table ``[align]``: what is aligned, with what, and how long.

    objective: objectives by name, each with a weight if wanted, ``"0.5*tlm"``, which may change: ``"0..1*tlm"`` rises
        over the run, ``"0..1@0.2*tlm"`` over its first fifth.
    keep_close: weight of the ``keep-close`` term that is added to the objectives unless they name it; 0 = none.
    model: ``mini``, a Hugging Face folder or Hub id, or another encoder's name.
    corpus: a registered name, a prefix of two line-aligned files (``path/en-de``), or ``a.txt,b.txt``; one or several.
    pivot: the language that is kept in place, and that every pair shares.
    seed: what order, dropout and initial weights are drawn from.
    steps: optimiser steps; instead of ``epochs``.
    epochs: passes over the corpora.
    batch_tokens: sub-words, of both sides together, in one micro-batch.
    accumulate: micro-batches in one optimiser step.
    lr: peak learning rate; without it the encoder's own, 1e-3 for ``mini`` and the paper's 5e-5 for others.
    warmup: share of the steps with a rising learning rate.
    weight_decay: AdamW's.
    clip: largest norm of the gradient.
    dropout: whether the encoder drops out as its checkpoint says. Off, ``keep-close`` begins at 0; on, at the dropout's
        noise, and the aligned words come out better (docs/results/defaults.md).
    sampling: language pairs drawn in ``proportional`` or ``equal`` shares.
    every_pair: every optimiser step draws one micro-batch from every language pair.
    heldout: pivot sentences of each language pair that are held out, at most: the guards report on one half, the other
        is kept for choosing by.
    candidates: sentences among which a held-out sentence's translation is sought, at most: the held-out translations
        and, as distractors, training sentences. Looks during the run may use fewer (docs/diagnostics.md).
    checkpoint_every: steps between checkpoints.
    keep_checkpoints: checkpoints that are kept.
    max_length: sub-words of a sentence; longer ones are cut, never inside a word, and counted.
    word_vector: which sub-words make a word's vector, in the guards and where training links are sought: ``last``,
        ``first`` or ``mean``.
    layer: hidden layer that the guards measure (-1 = last).
    freeze: what of the encoder is not trained: ``embeddings``, the ``lower`` half of its layers, the ``upper`` half;
        one or several.
    vocabulary: which rows of the input embeddings are trained, in alignment and in fine-tuning: those that are ``used``
        in the training text, or the ``whole`` table. Objectives that predict sub-words always train the whole table.
    lora: rank of low-rank additions that are trained in place of the weights, and merged into them at the end; needs
        peft (``pip install "otx[lora]"``).
    recompute: compute the inside of each layer again for the gradient: less memory, one more forward pass.
    teacher: encoder that teaches ``distill`` by its vectors of the pivot side; without it, the untouched encoder.
    momentum: share of itself that a moving average of the encoder keeps in each step, where an objective reads one.
    guard_every: steps between looks at the guards on the pairs that are kept for choosing by; without it, none, or
        with ``keep_best`` one at each checkpoint.
    keep_best: what the encoder that is kept is chosen by at these looks: ``retrieval``, or ``aer`` (gold links select
        on their even pairs and report on their odd ones); without it, the last encoder is kept.
    links: word links to train with: a Pharaoh file; ``dictionary:FILE``, a bilingual dictionary; ``eflomal``, run as a
        process (``pip install "otx[eflomal]"``); ``xx:...,yy:...`` for several corpora, by source language or name.
        Without it, mutual nearest neighbours of the untouched encoder.
    links_direction: direction of each Pharaoh file that has no ``FILE.json`` beside it: ``en-es`` where the first index
        counts English words.
    links_layer: hidden layer in which neighbours are sought.
    max_bad: share of refused lines at which a corpus is refused.
    drop_duplicates: leave out a pair that came before.
    length_ratio: leave out a pair whose longer side has more than so many times the shorter one's characters.
    drop_identical: leave out a pair of two equal sides.
    gold: gold word links for the guards: ``NAME.gold`` or ``NAME.src-tgt``, of which the other is beside it.
    index_base: what the gold links count from, 0 or 1. Without it they count from 0, and a file without a 0 is refused.
    device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.
    dtype: what the encoder computes in: ``fp32``, ``bf16``, or ``auto`` (bf16 on a GPU, fp32 on a CPU).
    """

    objective: tuple[str, ...] = ("sinkhorn",)
    keep_close: float = 0.1
    model: str = "mini"
    corpus: tuple[str, ...] = ("sample",)
    pivot: str = "en"
    seed: int = 1
    steps: int | None = None
    epochs: float = 1.0
    batch_tokens: int = 4096
    accumulate: int = 1
    lr: float | None = None
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    dropout: bool = True
    sampling: Literal["proportional", "equal"] = "proportional"
    every_pair: bool = False
    heldout: int = 200
    candidates: int = 5_000
    checkpoint_every: int = 200
    keep_checkpoints: int = 2
    max_length: int = 128
    word_vector: WordVector = "last"
    layer: int = -1
    freeze: tuple[Part, ...] = ()
    vocabulary: Literal["used", "whole"] = "used"
    lora: int | None = None
    recompute: bool = False
    teacher: str | None = None
    momentum: float = 0.999
    guard_every: int | None = None
    keep_best: Literal["retrieval", "aer"] | None = None
    links: str | None = None
    links_direction: tuple[str, ...] = ()
    links_layer: int = -1
    max_bad: float = 0.01
    drop_duplicates: bool = True
    length_ratio: float | None = None
    drop_identical: bool = True
    gold: str | None = None
    index_base: Literal[0, 1] | None = None
    device: str = "auto"
    dtype: Literal["auto", "fp32", "bf16"] = "auto"

    def __post_init__(self) -> None:
        """Check the ranges, and that every objective can be read."""
        for text in self.objective:
            _check_objective(text)
        for name in ("epochs", "batch_tokens", "accumulate", "clip", "max_length"):
            _above_zero(self, name)
        for name in ("candidates", "checkpoint_every", "keep_checkpoints"):
            _above_zero(self, name)
        for name in ("steps", "lr", "length_ratio", "lora", "guard_every"):
            if getattr(self, name) is not None:
                _above_zero(self, name)
        for name in ("seed", "heldout", "keep_close", "weight_decay"):
            _within(self, name, 0, math.inf)
        for name in ("warmup", "max_bad", "momentum"):
            _within(self, name, 0, 1)


@dataclass(frozen=True, slots=True)
class EvalSettings:
    """Table ``[eval]``: what every task shares; a task's own options are in the table of its name (``[xquad]``).

    languages: which to evaluate; none named = all that there is data for.
    seeds: seeds of a task's head, one fine-tuning each.
    checks: how often, evenly over a fine-tuning, it is scored on development data; the best of these is what is kept.
    patience: checks in a row without a better score after which a fine-tuning ends; 0 = it never ends early.
    keep_models: keep every fine-tuned model with its run, in ``heads/``, as a plain Hugging Face folder.
    strict: refuse a test set of which a part cannot be used, such as a gold link out of range; otherwise such parts are
        counted and left out, up to the share that the task states.
    """

    languages: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (1,)
    checks: int = 4
    patience: int = 0
    keep_models: bool = True
    strict: bool = False

    def __post_init__(self) -> None:
        """Refuse to evaluate with no seed at all, or with one twice."""
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise SettingError("seeds", f"must be different numbers from 0, not {list(self.seeds)}")
        if self.checks < 1:
            raise SettingError("checks", f"must be 1 or more, not {self.checks}")
        if self.patience < 0:
            raise SettingError("patience", f"must be 0 or more, not {self.patience}")


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """Table ``[compare]``: how runs are compared.

    baseline: run that the others are compared with; none = the untouched encoder.
    samples: bootstrap samples.
    seed: what the bootstrap draws from.
    """

    baseline: str | None = None
    samples: int = 2000
    seed: int = 1

    def __post_init__(self) -> None:
        """Check the ranges."""
        _above_zero(self, "samples")
        _within(self, "seed", 0, math.inf)


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """Table ``[plugins]``: which installed plugins take part. Those that come with otx always do.

    disabled: plugins by name (or ``distribution:name``) that are not loaded; see ``otx plugins disable``.
    prefer: for a name that two distributions bring, the one that is meant.
    """

    disabled: tuple[str, ...] = ()
    prefer: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Table ``[runs]``.

    folder: where run folders lie.
    """

    folder: str = "runs"


SECTIONS: dict[str, type[Any]] = {
    "align": AlignSettings,
    "eval": EvalSettings,
    "compare": CompareSettings,
    "plugins": PluginSettings,
    "runs": RunSettings,
}


def _check_objective(text: str) -> None:
    try:
        parse_term(text)
    except UsageError as error:
        raise SettingError("objective", f"has {error.message}", error.remedy) from error


def _above_zero(settings: object, name: str) -> None:
    value = getattr(settings, name)
    if not 0 < value < math.inf:
        raise SettingError(name, f"must be above 0, not {value}")


def _within(settings: object, name: str, low: float, high: float) -> None:
    value = getattr(settings, name)
    if not (low <= value <= high and value < math.inf):
        bound = f"from {low} to {high}" if high < math.inf else f"at least {low}"
        raise SettingError(name, f"must be {bound}, not {value}")
