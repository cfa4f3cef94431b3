"""Write the record of a new run: everything that its numbers depend on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from otx.alignment.bitext_hashes import write_hashes
from otx.alignment.data import AlignmentData
from otx.alignment.run_summary import RunSummary
from otx.alignment.training_links import link_digests
from otx.config.objective_term import ObjectiveTerm, parse_term
from otx.config.schema import AlignSettings, DiagnosticsSettings, RuntimeSettings
from otx.data.subset import each_problem
from otx.files.digests import file_digest
from otx.links.gold import gold_files
from otx.plugin_host.instances import instance_records
from otx.reporter import Reporter
from otx.runs.folder import RunFolder
from otx.runs.plugin_notes import version_changes
from otx.runs.record_migration import settings_digest
from otx.training.components import components
from otx.training.runtime import (
    choose_autocast,
    choose_device,
    device_name,
    precision_name,
    versions,
)
from otx.training.session import Session
from otx.types import Problem


@dataclass(frozen=True, slots=True)
class RunInputs:
    """Inputs that must be the same when a run is resumed, besides its settings.

    ``create_run`` records it, and ``check_resumable`` compares it with the record.

    Attributes:
        model_digest: Digest of the encoder before any training.
        lr: Peak learning rate.
        seed: ``align.seed``.
        terms: Objectives with their weights.
        summary: Corpora with their fingerprints, number of steps and of trained parameters.
        files: Digest of each file that is read besides the corpora, by what it is.
        options: Options in force, by name of encoder or objective.
    """

    model_digest: str
    lr: float
    seed: int
    terms: Sequence[ObjectiveTerm]
    summary: RunSummary
    files: Mapping[str, str]
    options: Mapping[str, Any]

    def record(self) -> dict[str, Any]:
        """Return the fields of run.json."""
        return {
            "model_digest_before": self.model_digest,
            "terms": {term.name: term.amount for term in self.terms},
            "alignment_seed": self.seed,
            "corpora": self.summary.corpora,
            "files": dict(self.files),
            "options": dict(self.options),
            "steps": self.summary.steps,
            "lr": self.lr,
            "trainable_parameters": self.summary.parameters,
        }


def comparable_inputs(record: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the inputs of a run as texts by name, for a comparison and its message.

    Args:
        record: The record of a run, or ``RunInputs.record()``.

    Example:
        >>> comparable_inputs({"model_digest_before": "ab", "lr": 1e-4, "options": {"l2": {"unit": "words"}}})["[l2]"]
        '{"unit": "words"}'
    """
    texts = {
        "the model": record["model_digest_before"],
        "optimizer.lr": str(record.get("lr")),
        "align.seed": str(record.get("alignment_seed")),
        "the number of steps": str(record.get("steps")),
        "the number of trained parameters": str(record.get("trainable_parameters")),
        "the objectives": json.dumps(record.get("terms")),
    }
    texts |= {
        f"corpus {corpus.get('name')} ({corpus['source']})": corpus.get("fingerprint")
        for corpus in record.get("corpora", [])
    }
    texts |= record.get("files", {})
    return texts | {
        f"[{name}]": json.dumps(table) for name, table in record.get("options", {}).items()
    }


def create_run(
    session: Session,
    name: str | None,
    inputs: RunInputs,
    data: AlignmentData,
    *,
    plugins: Sequence[Mapping[str, str]],
    notes: Sequence[str] = (),
    processes: int = 1,
) -> RunFolder:
    """Create a run folder, and record everything that the run's numbers depend on.

    Args:
        session: The settings. The run records all of them, with their origins.
        name: Name of the run; None generates one from the objective and the model.
        inputs: What must be the same when the run is resumed.
        data: The text; its refused lines and the hashes of its sentences are written.
        plugins: Kind, name, distribution and version of each plugin that is used.
        notes: The encoder's notes on its checkpoint.
        processes: Number of processes that align the encoder.

    Raises:
        UsageError: If the name is taken.
    """
    settings = session.settings
    stem = "-".join(
        [
            *(parse_term(text).name for text in settings.align.objective[:1]),
            Path(settings.encoder.model).name,
        ]
    )
    root = Path(settings.runs.folder)
    run = RunFolder.create(root, name, stem=stem, kind="align", settings=settings.as_dict())
    run.update(
        settings_digest=settings_digest(run.record["settings"]),
        model=settings.encoder.model,
        objectives=list(settings.align.objective),
        origins=settings.origins(),
        precision=precision_name(autocast_of(settings.runtime)),
        device=device_name(choose_device(settings.runtime.device)),
        encoder_notes=list(notes),
        processes=processes,
        versions=versions(),
        plugins=list(plugins),
        instances=instance_records(components(session)),
        **inputs.record(),
    )
    kinds: Counter[str] = Counter()
    run.add_problems(_counted(_problems(data), kinds))
    run.update(problems=dict(kinds))
    write_hashes(run, data.train)
    return run


def _problems(data: AlignmentData) -> Iterator[Problem]:
    for corpus in data.train:
        yield from each_problem(corpus)
    for tokens in data.tokenised:
        yield from tokens.problems()


def _counted(problems: Iterable[Problem], kinds: Counter[str]) -> Iterator[Problem]:
    for problem in problems:
        kinds[problem.kind] += 1
        yield problem


def file_digests(
    align: AlignSettings, diagnostics: DiagnosticsSettings, data: AlignmentData
) -> dict[str, str]:
    """Return the digest of each file that an alignment reads besides its corpora.

    Args:
        align: Word links to train with.
        diagnostics: Gold word links.
        data: The corpora, each of which may have a file of links.

    Returns:
        Digests by what the file is: ``links de``, ``gold``, ``gold sentences``.
    """
    files: dict[str, Path] = {}
    if diagnostics.gold is not None:
        gold, sentences = gold_files(Path(diagnostics.gold))
        files |= {"gold": gold, "gold sentences": sentences}
    return link_digests(align, data) | {what: file_digest(path) for what, path in files.items()}


def autocast_of(runtime: RuntimeSettings) -> torch.dtype | None:
    """Return the type that the encoder is autocast to on its device; None for float32.

    Args:
        runtime: Device and precision.
    """
    return choose_autocast(runtime.dtype, choose_device(runtime.device))


def note_plugin_changes(
    run: RunFolder, plugins: Sequence[Mapping[str, str]], reporter: Reporter
) -> None:
    """Report and record the plugins whose version differs from that of the run's beginning.

    Args:
        run: The run that is resumed.
        plugins: Kind, name, distribution and version of each plugin that is used now.
        reporter: Receives a notice for each change.
    """
    changes = version_changes(run.record.get("plugins", []), plugins)
    for line in changes:
        reporter.notice(f"resumed with other plugins: {line}")
    before = run.record.get("plugin_changes", [])
    if set(changes) - set(before):
        run.update(plugin_changes=list(dict.fromkeys([*before, *changes])))
