"""The probes: their descriptions and options, and how they are registered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt, Interval

from otx.config.roles import PATH
from otx.config.validation import Constrained
from otx.links.aer import METRICS as ALIGNMENT_METRICS
from otx.types import Metric, TaskInfo
from otx_tasks.metrics import (
    mean_of,
    participation_ratio,
    ratio_to_geometric_mean,
    share_of,
    skewness,
)

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

RETRIEVAL = TaskInfo(
    name="retrieval",
    version="2",
    kind="probe",
    metrics=(
        Metric("accuracy", mean_of("to_pivot", "from_pivot")),
        Metric("accuracy_to_pivot", mean_of("to_pivot")),
        Metric("accuracy_from_pivot", mean_of("from_pivot")),
        Metric("csls", mean_of("csls_to_pivot", "csls_from_pivot")),
        Metric("csls_to_pivot", mean_of("csls_to_pivot")),
        Metric("csls_from_pivot", mean_of("csls_from_pivot")),
    ),
    licence="that of the files given (Tatoeba: CC BY 2.0 FR; NTREX: CC BY-SA 4.0)",
    suites={"xtreme": 9, "probes": 1},
)

WORD_ALIGNMENT = TaskInfo(
    name="word-alignment",
    version="1",
    kind="probe",
    metrics=tuple(ALIGNMENT_METRICS),
    licence="that of the files given",
    suites={"probes": 2},
)

WORD_RETRIEVAL = TaskInfo(
    name="word-retrieval",
    version="1",
    kind="probe",
    metrics=(
        Metric("csls", mean_of("to_target", "from_target")),
        Metric("csls_to_target", mean_of("to_target")),
        Metric("csls_from_target", mean_of("from_target")),
    ),
    licence="that of the files given",
    suites={"probes": 3},
)

STRUCTURE = TaskInfo(
    name="structure",
    version="1",
    kind="probe",
    metrics=(
        Metric("cka", ratio_to_geometric_mean("both", "own", "other")),
        Metric("language_id", mean_of("told"), higher_is_better=False),
        Metric("cosine", mean_of("cosine"), higher_is_better=False, percent=False),
        Metric("dimension", participation_ratio, percent=False),
        Metric("hubness", skewness, higher_is_better=False, percent=False),
    ),
    licence="that of the files given",
    suites={"probes": 4},
)

BUCC = TaskInfo(
    name="bucc",
    version="1",
    kind="probe",
    metrics=(
        Metric("f1", share_of("right", "found", "gold")),
        Metric("precision", share_of("right", "found")),
        Metric("recall", share_of("right", "gold")),
    ),
    licence="that of BUCC 2018 (for research)",
    suites={"xtreme": 8, "probes": 5},
)


@dataclass(frozen=True)
class SentenceOptions(Constrained):
    """Options of probes of sentence vectors.

    Attributes:
        data: Folder of line-aligned files; none means the held-out part of the embedded sample.
        layer: Hidden layer whose sub-words are averaged into a sentence vector; -1 is the last.
        neighbours: Number of nearest sentences.
        batch: Number of sentences that are encoded at once.
    """

    data: str | None = field(default=None, metadata=PATH)
    layer: int = -1
    neighbours: Annotated[int, Gt(0)] = 10
    batch: Annotated[int, Gt(0)] = 64


@dataclass(frozen=True)
class RetrievalOptions(SentenceOptions):
    """Options of ``retrieval``.

    Attributes:
        data: Folder of line-aligned files; none means the held-out part of the embedded sample, whose translations are
            searched among its training sentences, too.
        neighbours: k of CSLS.
    """


@dataclass(frozen=True)
class StructureOptions(SentenceOptions):
    """Options of ``structure``.

    Attributes:
        neighbours: Number of nearest sentences, for hubness.
    """


@dataclass(frozen=True)
class BuccOptions(SentenceOptions):
    """Options of ``bucc``.

    Attributes:
        data: Folder with ``XX-en.training.{XX,en,gold}`` and ``XX-en.test.{XX,en,gold}``, plain or gz.
        neighbours: k of the margin.
    """

    neighbours: Annotated[int, Gt(0)] = 4


@dataclass(frozen=True)
class GoldOptions(Constrained):
    """Options of probes of words with gold links.

    Attributes:
        data: Folder of ``.src-tgt`` and ``.gold`` files, plain or gz, or one of them; none means the held-out part of
            the embedded sample.
        index_base: First word index in the gold links, 0 or 1; none means the one in the folder's ``sets.tsv``, else
            0, and a set without a 0 is refused.
        layer: Hidden layer of the word vectors; -1 is the last.
        vector: Sub-words that make a word's vector: its ``last``, its ``first``, or their ``mean``.
        batch: Number of sentence pairs that are encoded at once.
    """

    data: str | None = field(default=None, metadata=PATH)
    index_base: Annotated[int, Interval(ge=0, le=1)] | None = None
    layer: int = -1
    vector: Literal["last", "first", "mean"] = "last"
    batch: Annotated[int, Gt(0)] = 64


@dataclass(frozen=True)
class WordAlignmentOptions(GoldOptions):
    """Options of ``word-alignment``.

    Attributes:
        extraction: Method that finds links: ``argmax`` (mutual), ``itermax``, ``softmax`` or ``entmax`` (probable in
            both directions), ``plan`` (from the transport plan) or ``null`` (the same with a null word).
        threshold: Probability that a link needs in both directions (none: .001 for ``softmax``, above 0 for
            ``entmax``); for ``plan``, the share of the largest entry that a link needs (none: links that are the best
            of both their words).
        epsilon: Entropic regularisation of the plan, in units of the cosine cost.
    """

    extraction: Literal["argmax", "itermax", "softmax", "entmax", "plan", "null"] = "argmax"
    threshold: float | None = None
    epsilon: Annotated[float, Gt(0)] = 0.1


@dataclass(frozen=True)
class WordRetrievalOptions(GoldOptions):
    """Options of ``word-retrieval``.

    Attributes:
        sentences: Number of sentence pairs of a set whose words are searched, its first.
        neighbours: k of CSLS.
    """

    sentences: Annotated[int, Gt(0)] = 1024
    neighbours: Annotated[int, Gt(0)] = 10


def register(registry: Registry) -> None:
    """Register the tasks of this family.

    Args:
        registry: Receives the names.
    """
    registry.task(
        name="retrieval",
        target="otx_tasks.probes.retrieval:RetrievalTask",
        summary="find each sentence's translation by cosine or CSLS, both ways",
        options=RetrievalOptions,
        info=RETRIEVAL,
    )
    registry.task(
        name="word-alignment",
        target="otx_tasks.probes.word_alignment:WordAlignmentTask",
        summary="extract word links and compare them with gold ones (AER)",
        options=WordAlignmentOptions,
        info=WORD_ALIGNMENT,
    )
    registry.task(
        name="word-retrieval",
        target="otx_tasks.probes.word_retrieval:WordRetrievalTask",
        summary="find each word's translation among the words of all sentences by CSLS",
        options=WordRetrievalOptions,
        info=WORD_RETRIEVAL,
    )
    registry.task(
        name="structure",
        target="otx_tasks.probes.structure:StructureTask",
        summary="look inside: CKA between languages, language probe, isotropy, dimension, hubs",
        options=StructureOptions,
        info=STRUCTURE,
    )
    registry.task(
        name="bucc",
        target="otx_tasks.probes.bucc:BuccTask",
        summary="mine translations out of two texts by margin",
        options=BuccOptions,
        info=BUCC,
    )
