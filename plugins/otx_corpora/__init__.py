"""Built-in corpora: line-aligned files, the embedded sample, and data sets of the Hub.

Nothing in this file imports pyarrow, datasets or the options. A new corpus is a file with
``open_corpora(rest, options, pivot)``, which returns a list of ``otx.interfaces.Corpus``, its options in
``options.py``, and one call in ``otx_register``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otx import hookimpl

if TYPE_CHECKING:
    from otx.plugin_host.registry import Registry


@hookimpl
def otx_register(registry: Registry) -> None:
    """Register the corpora.

    Args:
        registry: The registry of the process.
    """
    registry.corpus(
        "files",
        "otx_corpora.files:open_corpora",
        "two line-aligned files: path/en-de (.en and .de, plain or gz) or en:a.txt,de:b.txt; one .tsv, .jsonl or .tmx",
        "otx_corpora.options:FilesOptions",
    )
    registry.corpus(
        "sample",
        "otx_corpora.sample:open_corpora",
        "the embedded sentences in en, de, es, fr, ru, zh; sample:de,es takes some",
        "otx_corpora.options:SampleOptions",
    )
    registry.corpus(
        "hub",
        "otx_corpora.hub:open_corpora",
        "a parquet data set of the Hub, hub:org/name or hub:org/name#CONFIG, or a folder of parquet files",
        "otx_corpora.options:HubOptions",
    )
