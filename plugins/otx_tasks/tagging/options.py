"""The tagging tasks: their descriptions and options, and how they are registered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Gt

from otx.config.roles import OPTIMISATION
from otx.types import Metric, TaskInfo
from otx_tasks.metrics import mean_of, share_of
from otx_tasks.options import TransferOptions

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry

POS = TaskInfo(
    name="pos",
    version="2",
    kind="transfer",
    metrics=(Metric("accuracy", mean_of("correct")),),
    licence="that of the treebanks given (UD PUD: CC BY-SA 3.0)",
    suites={"xtreme": 3},
)

NER = TaskInfo(
    name="ner",
    version="2",
    kind="transfer",
    metrics=(
        Metric("entity_f1", share_of("right", "found", "gold")),
        Metric("precision", share_of("right", "found")),
        Metric("recall", share_of("right", "gold")),
    ),
    licence="that of the files given (WikiANN: none stated)",
    suites={"xtreme": 4},
)


@dataclass(frozen=True)
class TaggingOptions(TransferOptions):
    """Options of ``pos`` and ``ner``; the defaults are XTREME's (scripts/train_udpos.sh, train_panx.sh).

    Attributes:
        data: Folder with ``test-XX.tsv`` (token, tab, tag; a blank line between sentences) or CoNLL-U files
            ``XX_*-ud-test.conllu``, and ``train-XX.tsv``; or with the folders that contain them.
        split: Part that is tested on; none means ``test``, or ``dev`` (with a note) if only that has files.
        max_length: Maximum number of sub-words of a sentence, special tokens included; later words are not tagged.
    """

    split: Literal["test", "dev"] | None = None
    epochs: Annotated[float, Gt(0)] = field(default=10.0, metadata=OPTIMISATION)
    max_length: Annotated[int, Gt(0)] = 128


def register(registry: Registry) -> None:
    """Register the tasks of this family.

    Args:
        registry: Receives the names.
    """
    registry.task(
        name="pos",
        target="otx_tasks.tagging.pos:PosTask",
        summary="learn part-of-speech tags on English treebanks, tag each language's words",
        options=TaggingOptions,
        info=POS,
    )
    registry.task(
        name="ner",
        target="otx_tasks.tagging.ner:NerTask",
        summary="learn named entities in English, find them in each language",
        options=TaggingOptions,
        info=NER,
    )
