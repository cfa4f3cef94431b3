"""Record everything that a run's numbers depend on when it begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from otx.alignment.bitext_hashes import write_hashes
from otx.alignment.data import AlignmentData
from otx.alignment.run_summary import RunSummary
from otx.alignment.training_links import link_digests
from otx.config.objective_term import parse_term
from otx.config.settings import Settings
from otx.files.digests import file_digest
from otx.interfaces import Encoder
from otx.links.gold import gold_files
from otx.reporter import Reporter
from otx.runs.folder import RunFolder
from otx.runs.plugin_notes import version_changes
from otx.runs.record_migration import settings_digest
from otx.training.factories import learning_rate, terms
from otx.training.runtime import (
    choose_autocast,
    choose_device,
    device_name,
    precision_name,
    versions,
)


def create_run(
    root: Path,
    name: str | None,
    settings: Settings,
    encoder: Encoder,
    digest: str,
    material: AlignmentData,
    outline: RunSummary,
    options: Mapping[str, Any],
    plugins: Sequence[Mapping[str, str]],
) -> RunFolder:
    """A new run folder with everything that its numbers will depend on; ``digest`` is the untouched encoder's.

    ``plugins``: kind, name, distribution and version of each that is used.

    Raises UsageError for a name that is taken.
    """
    stem = "-".join(
        [
            *(parse_term(text).name for text in settings.align.objective[:1]),
            Path(settings.encoder.model).name,
        ]
    )
    run = RunFolder.create(root, name, stem=stem, kind="align", settings=settings.as_dict())
    run.update(
        settings_digest=settings_digest(run.record["settings"]),
        model=settings.encoder.model,
        model_digest_before=digest,
        objectives=list(settings.align.objective),
        terms={term.name: term.amount for term in terms(settings)},
        alignment_seed=settings.align.seed,
        origins=settings.origins(),
        corpora=outline.corpora,
        files=file_digests(settings, material),
        options=options,
        precision=precision_name(autocast_of(settings)),
        device=device_name(choose_device(settings.runtime.device)),
        steps=outline.steps,
        lr=learning_rate(settings, encoder),
        trainable_parameters=outline.parameters,
        encoder_notes=list(encoder.notes),
        versions=versions(),
        plugins=list(plugins),
    )
    problems = [problem for corpus in material.train for problem in corpus.problems()]
    problems += [problem for tokens in material.tokenised for problem in tokens.problems()]
    run.add_problems(problems)
    run.update(problems=dict(Counter(problem.kind for problem in problems)))
    write_hashes(run, material.train)
    return run


def file_digests(settings: Settings, material: AlignmentData) -> dict[str, str]:
    """What a run reads beside its corpora: ``links`` of each, and ``gold`` with its sentences."""
    files: dict[str, Path] = {}
    if settings.diagnostics.gold is not None:
        gold, sentences = gold_files(Path(settings.diagnostics.gold))
        files |= {"gold": gold, "gold sentences": sentences}
    return link_digests(settings, material) | {
        what: file_digest(path) for what, path in files.items()
    }


def autocast_of(settings: Settings) -> torch.dtype | None:
    """What the run's encoder is autocast to, on its device."""
    return choose_autocast(settings.runtime.dtype, choose_device(settings.runtime.device))


def note_plugin_changes(
    run: RunFolder, plugins: Sequence[Mapping[str, str]], reporter: Reporter
) -> None:
    """Say and record which plugins a run is resumed with in another version than it began with."""
    changes = version_changes(run.record.get("plugins", []), plugins)
    for line in changes:
        reporter.notice(f"resumed with other plugins: {line}")
    before = run.record.get("plugin_changes", [])
    if set(changes) - set(before):
        run.update(plugin_changes=list(dict.fromkeys([*before, *changes])))
