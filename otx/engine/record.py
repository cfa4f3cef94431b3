"""Record everything that a run's numbers depend on when it begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from otx.config import Settings
from otx.contracts import Encoder
from otx.data.overlap import sentence_hashes
from otx.engine.outline import Outline
from otx.engine.prepare import Material, learning_rate, terms
from otx.engine.runtime import (
    choose_autocast,
    choose_device,
    device_name,
    precision_name,
    versions,
)
from otx.engine.training_links import link_digests
from otx.files.digests import content_key, file_digest
from otx.links.pharaoh import sentences_of
from otx.runs.folder import RunFolder
from otx.terms import parse_term

HASHES = "bitext-hashes.npy"
"""Normalised sentences of the bitext, for what is evaluated to be looked up in."""


def begin(
    root: Path,
    name: str | None,
    settings: Settings,
    encoder: Encoder,
    digest: str,
    material: Material,
    outline: Outline,
    options: Mapping[str, Any],
) -> RunFolder:
    """A new run folder with everything that its numbers will depend on; ``digest`` is the untouched encoder's.

    Raises UsageError for a name that is taken.
    """
    stem = "-".join(
        [
            *(parse_term(text).name for text in settings.align.objective[:1]),
            Path(settings.align.model).name,
        ]
    )
    run = RunFolder.create(root, name, stem=stem, kind="align", settings=settings.as_dict())
    run.update(
        settings_digest=settings_digest(run.record["settings"]),
        model=settings.align.model,
        model_digest_before=digest,
        objectives=list(settings.align.objective),
        terms={term.name: term.amount for term in terms(settings)},
        alignment_seed=settings.align.seed,
        origins=settings.origins(),
        corpora=outline.corpora,
        files=file_digests(settings, material),
        options=options,
        precision=precision_name(autocast_of(settings)),
        device=device_name(choose_device(settings.align.device)),
        steps=outline.steps,
        lr=learning_rate(settings, encoder),
        trainable_parameters=outline.parameters,
        encoder_notes=list(getattr(encoder, "notes", [])),
        versions=versions(),
    )
    problems = [problem for corpus in material.train for problem in corpus.problems()]
    problems += [problem for tokens in material.tokenised for problem in tokens.problems()]
    run.add_problems(problems)
    run.update(problems=dict(Counter(problem.kind for problem in problems)))
    np.save(run.path / HASHES, sentence_hashes(material.train))
    return run


def file_digests(settings: Settings, material: Material) -> dict[str, str]:
    """What a run reads beside its corpora: ``links`` of each, and ``gold`` with its sentences."""
    files: dict[str, Path] = {}
    if settings.align.gold is not None:
        gold = Path(settings.align.gold)
        files |= {"gold": gold, "gold sentences": sentences_of(gold)}
    return link_digests(settings, material) | {
        what: file_digest(path) for what, path in files.items()
    }


def settings_digest(tables: Mapping[str, Any]) -> str:
    """Return the content key of a run's settings, without where its folder is: that may be moved."""
    return content_key(settings={name: table for name, table in tables.items() if name != "runs"})


def autocast_of(settings: Settings) -> torch.dtype | None:
    """What the run's encoder is autocast to, on its device."""
    return choose_autocast(settings.align.dtype, choose_device(settings.align.device))
