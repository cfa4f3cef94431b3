"""The corpora that ship with otx: line-aligned files, the embedded sample, the Hub's data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otx import hookimpl
from otx_corpora import options

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry


@hookimpl
def otx_register(registry: Registry) -> None:
    """Register the three corpora."""
    registry.corpus(
        "files",
        "otx_corpora.files:open_corpora",
        "two line-aligned files: path/en-de (.en and .de, plain or gz) or en:a.txt,de:b.txt; one .tsv, .jsonl or .tmx",
        options.FilesOptions,
    )
    registry.corpus(
        "sample",
        "otx_corpora.sample:open_corpora",
        "the embedded sentences in en, de, es, fr, ru, zh; sample:de,es takes some",
        options.SampleOptions,
    )
    registry.corpus(
        "hub",
        "otx_corpora.hub:open_corpora",
        "a parquet data set of the Hub, hub:org/name or hub:org/name#CONFIG, or a folder of parquet files",
        options.HubOptions,
    )
