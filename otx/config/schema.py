"""The tables of otx.toml that belong to otx: one dataclass per table, with defaults and ranges.

Each component receives its own table and nothing else. ``Sections`` is the only list of these tables. To add a
setting, add a field with a default, a constraint and a line under ``Attributes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval

from otx.config.objective_term import parse_term
from otx.config.validation import Constrained, SettingError, field_types
from otx.errors import UsageError
from otx.types import Part, WordVector


@dataclass(frozen=True, slots=True)
class AlignSettings(Constrained):
    """Table ``[align]``: what an alignment minimises, and for how long.

    Attributes:
        objective: Objectives by name, each with an optional weight: ``"0.5*tlm"``. A weight may change over the run:
            ``"0..1*tlm"`` rises from 0 to 1 over the run, ``"0..1@0.2*tlm"`` over its first fifth.
        keep_close: Weight of the ``keep-close`` term, which is added unless the objectives name it; 0 adds none.
        seed: Seed of batch order, dropout and initial weights.
        steps: Number of optimiser steps; takes precedence over ``epochs``.
        epochs: Number of passes over the corpora.
        teacher: Encoder whose vectors of the pivot side ``distill`` teaches; none means the initial encoder.
        momentum: Decay of the encoder's exponential moving average, for objectives that read one.
        links: Word links to train with: a Pharaoh file; ``dictionary:FILE``, a bilingual dictionary; ``eflomal``, which
            runs as a process (``pip install "otx[eflomal]"``); ``xx:...,yy:...`` for several corpora, by source
            language or name. None means mutual nearest neighbours of the initial encoder.
        links_direction: Direction of each Pharaoh file that has no ``FILE.json`` beside it: ``en-es`` if the first
            index counts English words.
        links_layer: Hidden layer in which mutual nearest neighbours are searched.
    """

    objective: tuple[str, ...] = ("sinkhorn",)
    keep_close: Annotated[float, Ge(0)] = 0.1
    seed: Annotated[int, Ge(0)] = 1
    steps: Annotated[int, Gt(0)] | None = None
    epochs: Annotated[float, Gt(0)] = 1.0
    teacher: str | None = None
    momentum: Annotated[float, Interval(ge=0, le=1)] = 0.999
    links: str | None = None
    links_direction: tuple[str, ...] = ()
    links_layer: int = -1

    def __post_init__(self) -> None:
        """Check the ranges, and that every objective can be parsed."""
        Constrained.__post_init__(self)
        for text in self.objective:
            try:
                parse_term(text)
            except UsageError as error:
                raise SettingError("objective", f"has {error.message}", error.remedy) from error


@dataclass(frozen=True, slots=True)
class EncoderSettings(Constrained):
    """Table ``[encoder]``: which encoder, how its vectors are read, and which of its weights are trained.

    Attributes:
        model: ``mini``, a Hugging Face folder or Hub id, or the name of another encoder.
        max_length: Maximum number of sub-words of a sentence; longer sentences are cut between words, and counted.
        layer: Hidden layer that the diagnostics, links and plans read; -1 is the last.
        word_vector: Sub-words that make a word's vector: its ``last``, its ``first``, or their ``mean``.
        freeze: Parts that are not trained: ``embeddings``, the ``lower`` half of the layers, the ``upper`` half.
        vocabulary: Rows of the input embeddings that are trained, in alignment and in fine-tuning: those ``used`` in
            the training text, or the ``whole`` table. Objectives that predict sub-words always train the whole table.
        dropout: Whether the encoder applies its checkpoint's dropout during alignment. Without it, ``keep-close``
            starts at 0; with it, word alignment improves more (docs/results/defaults.md).
        lora: Rank of low-rank adapters that are trained instead of the weights and merged at the end; needs peft
            (``pip install "otx[lora]"``).
        recompute: Recompute each layer's activations in the backward pass: less memory, one more forward pass.
    """

    model: str = "mini"
    max_length: Annotated[int, Gt(0)] = 128
    layer: int = -1
    word_vector: WordVector = "last"
    freeze: tuple[Part, ...] = ()
    vocabulary: Literal["used", "whole"] = "used"
    dropout: bool = True
    lora: Annotated[int, Gt(0)] | None = None
    recompute: bool = False


@dataclass(frozen=True, slots=True)
class DataSettings(Constrained):
    """Table ``[data]``: the parallel text, its filters, and its batches.

    Attributes:
        corpus: Corpora: a registered name, a prefix of two line-aligned files (``path/en-de``), or ``a.txt,b.txt``.
        pivot: Language that every pair shares, English by default.
        heldout: Maximum number of pivot sentences per language pair that are held out: half of them report, half
            select a checkpoint.
        batch_tokens: Maximum number of sub-words, of both sides together, in a micro-batch.
        sampling: Whether language pairs are drawn in ``proportional`` or in ``equal`` shares.
        every_pair: Whether every optimiser step draws one micro-batch of every language pair.
        max_bad: Share of refused lines above which a corpus is refused.
        drop_duplicates: Drop repeated pairs.
        length_ratio: Drop pairs whose longer side has more than this many times the characters of the shorter side.
        drop_identical: Drop pairs of two equal sides.
    """

    corpus: tuple[str, ...] = ("sample",)
    pivot: str = "en"
    heldout: Annotated[int, Ge(0)] = 200
    batch_tokens: Annotated[int, Gt(0)] = 4096
    sampling: Literal["proportional", "equal"] = "proportional"
    every_pair: bool = False
    max_bad: Annotated[float, Interval(ge=0, le=1)] = 0.01
    drop_duplicates: bool = True
    length_ratio: Annotated[float, Gt(0)] | None = None
    drop_identical: bool = True


@dataclass(frozen=True, slots=True)
class OptimizerSettings(Constrained):
    """Table ``[optimizer]``: AdamW and its schedule, in alignment.

    Attributes:
        lr: Peak learning rate; none means the encoder's own, 1e-3 for ``mini`` and the paper's 5e-5 for others.
        warmup: Share of the steps over which the learning rate rises.
        weight_decay: Weight decay of AdamW.
        clip: Maximum norm of the gradient.
        accumulate: Number of micro-batches in an optimiser step.
    """

    lr: Annotated[float, Gt(0)] | None = None
    warmup: Annotated[float, Interval(ge=0, le=1)] = 0.1
    weight_decay: Annotated[float, Ge(0)] = 0.01
    clip: Annotated[float, Gt(0)] = 1.0
    accumulate: Annotated[int, Gt(0)] = 1


@dataclass(frozen=True, slots=True)
class CheckpointSettings(Constrained):
    """Table ``[checkpoint]``: what an interrupted alignment resumes from.

    Attributes:
        every: Number of steps between checkpoints.
        keep: Number of checkpoints that are kept.
    """

    every: Annotated[int, Gt(0)] = 200
    keep: Annotated[int, Gt(0)] = 2


@dataclass(frozen=True, slots=True)
class DiagnosticsSettings(Constrained):
    """Table ``[diagnostics]``: what is measured before, during and after an alignment.

    Attributes:
        every: Number of steps between measurements on the selection pairs; none measures at every checkpoint with
            ``keep_best``, otherwise never.
        keep_best: Metric that selects the encoder to keep: ``retrieval``, or ``aer`` (even-numbered gold pairs select,
            odd ones report); none keeps the last encoder.
        candidates: Maximum number of sentences among which a held-out sentence's translation is searched: the held-out
            translations, and training sentences as distractors. Measurements during the run may use fewer
            (docs/diagnostics.md).
        gold: Gold word links: ``NAME.gold`` or ``NAME.src-tgt``, with the other file beside it.
        index_base: First word index in the gold links, 0 or 1; none means 0, and refuses a file without a 0.
    """

    every: Annotated[int, Gt(0)] | None = None
    keep_best: Literal["retrieval", "aer"] | None = None
    candidates: Annotated[int, Gt(0)] = 5_000
    gold: str | None = None
    index_base: Literal[0, 1] | None = None


@dataclass(frozen=True, slots=True)
class EvalSettings(Constrained):
    """Table ``[eval]``: options that all tasks share. A task's own options are in the table of its name (``[xquad]``).

    Attributes:
        languages: Languages to evaluate; empty means all that have data.
        seeds: Seeds of a task's head: one fine-tuning each.
        checks: Number of evaluations on development data, evenly spaced over a fine-tuning; the best one is kept.
        patience: Number of evaluations in a row without improvement after which a fine-tuning stops; 0 never stops.
        keep_models: Save every fine-tuned model with its run, in ``heads/``, as a plain Hugging Face folder.
        strict: Refuse a test set with unusable parts, such as a gold link out of range. Otherwise such parts are
            counted and skipped, up to the share that the task states.
    """

    languages: tuple[str, ...] = ()
    seeds: tuple[Annotated[int, Ge(0)], ...] = (1,)
    checks: Annotated[int, Ge(1)] = 4
    patience: Annotated[int, Ge(0)] = 0
    keep_models: bool = True
    strict: bool = False

    def __post_init__(self) -> None:
        """Check the ranges, and that there is a seed and none is repeated."""
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise SettingError("seeds", f"must be different numbers from 0, not {list(self.seeds)}")
        Constrained.__post_init__(self)


@dataclass(frozen=True, slots=True)
class CompareSettings(Constrained):
    """Table ``[compare]``: how runs are compared.

    Attributes:
        baseline: Run that the others are compared with; none means the untouched encoder.
        samples: Number of bootstrap samples.
        seed: Seed of the bootstrap.
    """

    baseline: str | None = None
    samples: Annotated[int, Gt(0)] = 2000
    seed: Annotated[int, Ge(0)] = 1


@dataclass(frozen=True, slots=True)
class RuntimeSettings(Constrained):
    """Table ``[runtime]``: where and how precisely everything is computed.

    Attributes:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        dtype: Precision of the encoder: ``fp32``, ``bf16``, or ``auto`` (bf16 on a GPU, fp32 on a CPU).
        shard: In an alignment of several processes, divide the encoders' parameters, gradients and AdamW moments over
            them: for encoders that do not fit (docs/many-gpus.md). One process keeps them whole.
    """

    device: str = "auto"
    dtype: Literal["auto", "fp32", "bf16"] = "auto"
    shard: bool = False


@dataclass(frozen=True, slots=True)
class PluginSettings(Constrained):
    """Table ``[plugins]``: which installed plugins are loaded. Those that ship with otx always are.

    Attributes:
        disabled: Plugins that are not loaded, by name or ``distribution:name``; see ``otx plugins disable``.
        prefer: Distribution to use for a name that two distributions register.
    """

    disabled: tuple[str, ...] = ()
    prefer: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunSettings(Constrained):
    """Table ``[runs]``: where results are saved.

    Attributes:
        folder: Folder of the run folders.
    """

    folder: str = "runs"


@dataclass(frozen=True, slots=True)
class Sections:
    """Every table of otx.toml that belongs to otx; any other table belongs to the plugin of its name."""

    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    data: DataSettings = field(default_factory=DataSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    checkpoint: CheckpointSettings = field(default_factory=CheckpointSettings)
    diagnostics: DiagnosticsSettings = field(default_factory=DiagnosticsSettings)
    align: AlignSettings = field(default_factory=AlignSettings)
    eval: EvalSettings = field(default_factory=EvalSettings)
    compare: CompareSettings = field(default_factory=CompareSettings)
    plugins: PluginSettings = field(default_factory=PluginSettings)
    runs: RunSettings = field(default_factory=RunSettings)


SECTIONS: Mapping[str, type[Any]] = MappingProxyType(field_types(Sections))
"""The class of each table, by name."""
