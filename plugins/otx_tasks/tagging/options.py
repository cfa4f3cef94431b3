"""Options of the tagging tasks: table ``[task-name]``, or ``--set task-name.key=value``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Gt

from otx.config.roles import OPTIMISATION
from otx_tasks.options import TransferOptions


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
