"""Compare a resumed run with its beginning: what must be equal, and what bit-equality depends on."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from otx.alignment.data import AlignmentData
from otx.alignment.run_record import autocast_of, file_digests
from otx.alignment.run_summary import RunSummary
from otx.config.settings import Settings
from otx.errors import CheckpointError
from otx.interfaces import Encoder
from otx.printable import shorten
from otx.reporter import Reporter
from otx.runs.folder import RunFolder
from otx.runs.record_migration import settings_digest
from otx.training.factories import learning_rate, terms
from otx.training.runtime import choose_device, device_name, precision_name, versions

COMPUTING = ("otx", "torch", "transformers", "numpy")
"""Packages whose other version may change the last bits of a step."""

DEVICE, PRECISION = "the device", "the precision"

Differences = dict[str, tuple[str, str]]
"""The value at the run's beginning and the value now, by name."""


def check_resumable(
    run: RunFolder,
    settings: Settings,
    encoder: Encoder,
    digest: str,
    material: AlignmentData,
    outline: RunSummary,
    options: Mapping[str, Any],
) -> None:
    """Refuse to resume a run whose model, text, links, options or settings changed.

    Args:
        run: The run, as it was recorded.
        settings: The settings that its record gave.
        encoder: The encoder as it is now.
        digest: The encoder's digest, before any training.
        material: The corpora as they are now.
        outline: The steps and parameters that follow from all this.
        options: The options in force, by plugin.

    Raises:
        CheckpointError: Naming the first thing that changed.
    """
    record = run.record
    before = {
        "the model": record["model_digest_before"],
        "optimizer.lr": str(record.get("lr")),
        "align.seed": str(record.get("alignment_seed")),
        "the number of steps": str(record.get("steps")),
        "the number of trained parameters": str(record.get("trainable_parameters")),
        "the objectives": _plain(record.get("terms")),
    }
    before |= {
        f"corpus {c.get('name')} ({c['source']})": c.get("fingerprint")
        for c in record.get("corpora", [])
    }
    before |= record.get("files", {})
    before |= {f"[{name}]": _plain(table) for name, table in record.get("options", {}).items()}
    now = {
        "the model": digest,
        "optimizer.lr": str(learning_rate(settings, encoder)),
        "align.seed": str(settings.align.seed),
        "the number of steps": str(outline.steps),
        "the number of trained parameters": str(outline.parameters),
        "the objectives": _plain({term.name: term.amount for term in terms(settings)}),
    }
    now |= {f"corpus {c.name} ({c.source_language})": c.fingerprint() for c in material.train}
    now |= file_digests(settings, material)
    now |= {f"[{name}]": _plain(table) for name, table in options.items()}
    # A run of before this field is compared by the rest.
    if "settings_digest" in record:
        before["a setting in run.json"] = record["settings_digest"]
        now["a setting in run.json"] = settings_digest(record["settings"])
    for what in dict.fromkeys([*before, *now]):
        if before.get(what) != now.get(what):
            raise CheckpointError(
                f"run {run.name} cannot be resumed: {what} changed "
                f"({_short(before.get(what))} then, {_short(now.get(what))} now)",
                "put it back as it was, or start a new run",
            )


def inexact_differences(run: RunFolder, settings: Settings) -> Differences:
    """Return what differs between the run's beginning and now in what bit-equality depends on.

    These are the versions of the packages that compute, the device, the precision that follows from it, and on a CPU
    the number of threads.
    """
    recorded = run.record.get("versions", {}) | {
        DEVICE: run.record.get("device"),
        PRECISION: run.record.get("precision"),
    }
    now = circumstances_of(choose_device(settings.runtime.device)) | {
        PRECISION: precision_name(autocast_of(settings))
    }
    # What an older run did not record is not compared.
    return {
        name: (str(recorded[name]), value)
        for name, value in now.items()
        if recorded.get(name) is not None and recorded[name] != value
    }


def circumstances_of(device: torch.device) -> dict[str, str]:
    """Return what a step's last bits depend on besides its inputs, by name."""
    installed = versions()
    names = [*COMPUTING, *(["threads"] if device.type == "cpu" else [])]
    return {name: installed[name] for name in names} | {DEVICE: device_name(device)}


def refuse_inexact(run: RunFolder, differences: Differences) -> None:
    """Refuse to resume a run that would not end in the weights of one never stopped.

    Raises:
        CheckpointError: Naming every difference, if there is one.
    """
    if not differences:
        return
    changes = " and ".join(
        f"{name} changed ({then} then, {now} now)" for name, (then, now) in differences.items()
    )
    raise CheckpointError(
        f"run {run.name} cannot be resumed exactly: {changes}",
        "resume it where these are as they were, or go on with --inexact, which run.json records",
    )


def record_inexact(run: RunFolder, differences: Differences, step: int) -> None:
    """Write into run.json that the run goes on inexactly from ``step``, and what differs now."""
    entry = {"step": step, "changed": {name: list(both) for name, both in differences.items()}}
    now = {
        field: differences[name][1]
        for field, name in (("device", DEVICE), ("precision", PRECISION))
        if name in differences
    }
    run.update(inexact=[*run.record.get("inexact", []), entry], versions=versions(), **now)


@contextmanager
def recorded_threads(run: RunFolder | None, reporter: Reporter) -> Iterator[None]:
    """Compute with the number of threads that a resumed run began with, where the machine has as many cores.

    Sums are split by thread, so another number gives other last bits.
    """
    before = torch.get_num_threads()
    count = before if run is None else _threads_of(run, before)
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    reporter.notice(f"computing with {count} threads, as this run began, instead of {before}")
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _threads_of(run: RunFolder, present: int) -> int:
    """The recorded number of threads, or the present one where there is none or too few cores for it."""
    recorded = str(run.record.get("versions", {}).get("threads", ""))
    if not re.fullmatch("[1-9][0-9]{0,3}", recorded) or int(recorded) > _cores():
        return present
    return int(recorded)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _plain(table: Any) -> str:
    return json.dumps(table)


def _short(value: str | None) -> str:
    """A digest by its beginning, anything else by at most 80 characters."""
    text = str(value)
    return text[:12] if re.fullmatch("[0-9a-f]{32,}", text) else shorten(text)
