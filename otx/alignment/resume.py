"""Compare a resumed run with its beginning: what must be equal, and what bit-equality depends on."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from otx.alignment.run_record import RunInputs, autocast_of, comparable_inputs
from otx.config.schema import RuntimeSettings
from otx.errors import CheckpointError, UsageError
from otx.plugin_host.registry import Registry
from otx.printable import shorten
from otx.reporter import Reporter
from otx.runs.folder import RunFolder
from otx.runs.record_migration import settings_digest
from otx.training.runtime import choose_device, device_name, precision_name, versions

COMPUTING = ("otx", "torch", "transformers", "numpy")
"""Packages whose version may change the last bits of a step."""

DEVICE, PRECISION = "the device", "the precision"
PROCESSES, THREADS = "the number of processes", "threads"

Differences = dict[str, tuple[str, str]]
"""The value at the run's beginning and the value now, by name."""


def check_instances(run: RunFolder, registry: Registry) -> None:
    """Refuse to resume a run with objective instances that this process does not have.

    Args:
        run: The run.
        registry: The registered names, among them the instances of a call from Python.

    Raises:
        UsageError: Naming the instance and its class.
    """
    names = {entry.name for entry in registry.entries("objective")}
    for instance in run.record.get("instances", []):
        if instance["name"] not in names:
            raise UsageError(
                f"run {run.name} was aligned from Python with an instance of {instance['class']} "
                f"({instance['name']})",
                f'resume it from Python: otx.align(resume="{run.name}", objective=[...])',
            )


def check_resumable(run: RunFolder, inputs: RunInputs) -> None:
    """Refuse to resume a run whose model, text, links, options or settings changed.

    Args:
        run: The run, as it was recorded.
        inputs: The same inputs as they are now.

    Raises:
        CheckpointError: Naming the first thing that changed.
    """
    record = run.record
    before, now = comparable_inputs(record), comparable_inputs(inputs.record())
    # Runs of before this field was recorded are compared by the rest.
    if "settings_digest" in record:
        before["a setting in run.json"] = record["settings_digest"]
        now["a setting in run.json"] = settings_digest(record["settings"])
    for what in dict.fromkeys([*before, *now]):
        if before.get(what) != now.get(what):
            raise CheckpointError(
                f"run {run.name} cannot be resumed: {what} changed "
                f"({_short(before.get(what))} then, {_short(now.get(what))} now)",
                "restore what changed, or start a new run",
            )


def inexact_differences(run: RunFolder, runtime: RuntimeSettings, processes: int) -> Differences:
    """Return the differences between the run's beginning and now that prevent bit-equality.

    These are the versions of the packages that compute, the device, the precision that follows from it, the number of
    processes, and on a CPU the number of threads.

    Args:
        run: The run, as it was recorded.
        runtime: Device and precision of now.
        processes: Number of processes of now.
    """
    recorded = run.record.get("versions", {}) | {
        DEVICE: run.record.get("device"),
        PRECISION: run.record.get("precision"),
        PROCESSES: str(run.record.get("processes", 1)),
    }
    now = circumstances_of(choose_device(runtime.device)) | {
        PRECISION: precision_name(autocast_of(runtime)),
        PROCESSES: str(processes),
    }
    # What an older run did not record is not compared.
    return {
        name: (str(recorded[name]), value)
        for name, value in now.items()
        if recorded.get(name) is not None and recorded[name] != value
    }


def circumstances_of(device: torch.device) -> dict[str, str]:
    """Return what the last bits of a step depend on besides its inputs, by name.

    Args:
        device: The device.
    """
    installed = versions()
    names = [*COMPUTING, *(["threads"] if device.type == "cpu" else [])]
    return {name: installed[name] for name in names} | {DEVICE: device_name(device)}


def refuse_inexact(run: RunFolder, differences: Differences) -> None:
    """Refuse to resume a run that would not end in the same weights as an uninterrupted one.

    Another number of processes is permitted, because it was asked for; threads follow from it.

    Args:
        run: The run, for the message.
        differences: What ``inexact_differences`` returned.

    Raises:
        CheckpointError: Naming every difference, if there is one.
    """
    permitted = {PROCESSES, THREADS} if PROCESSES in differences else set()
    changes = " and ".join(
        f"{name} changed ({then} then, {now} now)"
        for name, (then, now) in differences.items()
        if name not in permitted
    )
    if not changes:
        return
    raise CheckpointError(
        f"run {run.name} cannot be resumed exactly: {changes}",
        "resume it under the same conditions, or add --inexact, which run.json records",
    )


def note_processes(differences: Differences, reporter: Reporter) -> None:
    """Report that a run is resumed with another number of processes.

    Args:
        differences: What ``inexact_differences`` returned.
        reporter: Receives the notice.
    """
    if PROCESSES in differences:
        then, now = differences[PROCESSES]
        reporter.notice(
            f"resuming with {now} processes instead of {then}: the batches are the same, "
            "the weights to within rounding"
        )


def record_inexact(run: RunFolder, differences: Differences, step: int) -> None:
    """Record in run.json that the run is inexact from ``step`` on, and what differs.

    Args:
        run: The run.
        differences: The value that ``inexact_differences`` returned.
        step: Number of optimiser steps that are done.
    """
    entry = {"step": step, "changed": {name: list(both) for name, both in differences.items()}}
    now: dict[str, Any] = {
        field: differences[name][1]
        for field, name in (("device", DEVICE), ("precision", PRECISION))
        if name in differences
    }
    if PROCESSES in differences:
        now["processes"] = int(differences[PROCESSES][1])
    run.update(inexact=[*run.record.get("inexact", []), entry], versions=versions(), **now)


@contextmanager
def recorded_threads(
    run: RunFolder | None, reporter: Reporter, processes: int = 1
) -> Iterator[None]:
    """Compute with the number of threads that a resumed run began with, if the machine has as many cores.

    Sums are split by thread, so another number of threads gives other last bits; and so does another number of
    processes, with which the threads stay as they are.

    Args:
        run: The run that is resumed; None for a new one.
        reporter: Receives a notice if the number changes.
        processes: Number of processes of now.
    """
    before = torch.get_num_threads()
    same = run is not None and run.record.get("processes", 1) == processes
    count = _threads_of(run, before) if run is not None and same else before
    if count == before:
        yield
        return
    torch.set_num_threads(count)
    reporter.notice(f"computing with {count} threads instead of {before}, as this run began")
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _threads_of(run: RunFolder, present: int) -> int:
    """Return the recorded number of threads, or the present one if none is recorded or there are too few cores."""
    recorded = str(run.record.get("versions", {}).get("threads", ""))
    if not re.fullmatch("[1-9][0-9]{0,3}", recorded) or int(recorded) > _cores():
        return present
    return int(recorded)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _short(value: str | None) -> str:
    """Return the beginning of a digest, and at most 80 characters of anything else."""
    text = str(value)
    return text[:12] if re.fullmatch("[0-9a-f]{32,}", text) else shorten(text)
