"""Options of the probes: table ``[task-name]``, or ``--set task-name.key=value``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Gt, Interval

from otx.config.roles import PATH
from otx.config.validation import Constrained


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
