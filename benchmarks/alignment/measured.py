"""What an encoder is like: retrieval and collapse on held-out pairs, error on gold word links."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.alignment.text import LANGUAGES, prefix
from otx.alignment import diagnostics
from otx.alignment.heldout_retrieval import HeldOut
from otx.config.settings import load_settings
from otx.data.corpora import open_corpora
from otx.data.subset import Subset
from otx.links.gold import read_gold
from otx.plugin_host.host import host
from otx.training.factories import open_encoder

GOLD = {"enes": 0, "zhen": 1}
"""Sets of gold word links, and what they count from."""


def measure(model: str, bitext: Path, data: Path) -> dict[str, float]:
    """``select`` is the retrieval that rates are chosen by, on the even held-out pairs; all else is of the odd ones."""
    settings = load_settings(sets=["data.heldout=0"])
    found = host(settings)
    encoder = open_encoder(model, found.registry, settings)
    held = tuple(str(prefix(bitext, "heldout-", language)) for language in LANGUAGES)
    corpora = open_corpora(held, found.registry, settings, settings.data)
    halves = [[Subset(own, np.arange(start, len(own), 2)) for own in corpora] for start in (0, 1)]
    select, report = diagnostics.measure(encoder, [HeldOut(half) for half in halves], -1, "last")
    numbers = report.numbers | {"select": select.numbers["retrieval"]}
    for name, base in GOLD.items():
        gold = read_gold(data / f"align/{name}.gold", index_base=base)
        (measured,) = diagnostics.measure(encoder, [HeldOut([], gold=gold)], -1, "last")
        numbers[f"aer.{name}"] = measured.numbers["aer"]
    return numbers
