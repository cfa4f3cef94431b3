"""What a run is recorded by when it begins, and compared with when it is resumed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from otx.config import Settings
from otx.contracts import Encoder
from otx.engine.bitext_hashes import write_hashes
from otx.engine.outline import Outline
from otx.engine.prepare import Material, learning_rate, terms
from otx.engine.report import Reporter
from otx.engine.runtime import choose_autocast, choose_device, precision_name, versions
from otx.engine.training_links import link_digests
from otx.errors import CheckpointError
from otx.files.digests import file_digest
from otx.links.gold import gold_files
from otx.runs.folder import RunFolder
from otx.runs.plugin_notes import version_changes
from otx.terms import parse_term


def begin(
    root: Path,
    name: str | None,
    settings: Settings,
    encoder: Encoder,
    digest: str,
    material: Material,
    outline: Outline,
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
            Path(settings.align.model).name,
        ]
    )
    run = RunFolder.create(root, name, stem=stem, kind="align", settings=settings.as_dict())
    run.update(
        model=settings.align.model,
        model_digest_before=digest,
        objectives=list(settings.align.objective),
        terms={term.name: term.amount for term in terms(settings)},
        alignment_seed=settings.align.seed,
        origins=settings.origins(),
        corpora=outline.corpora,
        files=_file_digests(settings, material),
        options=options,
        precision=precision_name(autocast_of(settings)),
        steps=outline.steps,
        lr=learning_rate(settings, encoder),
        trainable_parameters=outline.parameters,
        encoder_notes=list(getattr(encoder, "notes", [])),
        versions=versions(),
        plugins=list(plugins),
    )
    problems = [problem for corpus in material.train for problem in corpus.problems()]
    problems += [problem for tokens in material.tokenised for problem in tokens.problems()]
    run.add_problems(problems)
    run.update(problems=dict(Counter(problem.kind for problem in problems)))
    write_hashes(run, material.train)
    return run


def _file_digests(settings: Settings, material: Material) -> dict[str, str]:
    """What a run reads beside its corpora: ``links`` of each, and ``gold`` with its sentences."""
    files: dict[str, Path] = {}
    if settings.align.gold is not None:
        gold, sentences = gold_files(Path(settings.align.gold))
        files |= {"gold": gold, "gold sentences": sentences}
    return link_digests(settings, material) | {
        what: file_digest(path) for what, path in files.items()
    }


def autocast_of(settings: Settings) -> torch.dtype | None:
    """What the run's encoder is autocast to, on its device."""
    return choose_autocast(settings.align.dtype, choose_device(settings.align.device))


def refuse_changes(
    run: RunFolder, settings: Settings, digest: str, material: Material, options: Mapping[str, Any]
) -> None:
    """Raise CheckpointError, naming it, for anything that is not as it was when the run began."""
    if "model_digest_before" not in run.record:
        raise CheckpointError(
            f"run {run.name} was stopped before it had begun",
            f"remove {run.path} and start it again",
        )
    before = {"the model": run.record["model_digest_before"]}
    before |= {
        f"corpus {c['name']} ({c['source']})": c["fingerprint"] for c in run.record["corpora"]
    }
    before |= run.record["files"] | {"the precision": run.record["precision"]}
    before |= {f"[{name}]": json.dumps(table) for name, table in run.record["options"].items()}
    now = {"the model": digest, "the precision": precision_name(autocast_of(settings))}
    now |= _file_digests(settings, material)
    now |= {f"[{name}]": json.dumps(table) for name, table in options.items()}
    now |= {f"corpus {c.name} ({c.source_language})": c.fingerprint() for c in material.train}
    for what in sorted({*before, *now}):
        if before.get(what) != now.get(what):
            raise CheckpointError(
                f"run {run.name} cannot be resumed: {what} changed "
                f"({_short(before.get(what))} then, {_short(now.get(what))} now)",
                "put it back as it was, or start a new run",
            )


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


def _short(value: str | None) -> str:
    """A digest by its beginning, anything else whole."""
    text = str(value)
    return text[:12] if re.fullmatch("[0-9a-f]{32,}", text) else text
