"""The comparison of the finished cells: otx's own tables, and a list of the missing cells."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otx.errors import DataError
from otx.plugin_host.registry import Registry
from otx.runs import render
from otx.runs.comparison import compare
from scripts.laboratory.keys import contents_of, under_first_names
from scripts.laboratory.records import ENDING, FAILED, read_record, restore_runs
from scripts.laboratory.study import Cell, Study


@dataclass(slots=True)
class Finished:
    """The results of a study.

    Attributes:
        records: Results by name of the cell.
        outdated: Cells whose result the edited study no longer asks for.
        foreign: Cells that were computed with another encoder or other files than the first.
        failed: Last line of the log by name of the failed cell.
        missing: Cells without a result.
    """

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    outdated: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def gather(study: Study, registry: Registry) -> Finished:
    """Read the result of every cell.

    Args:
        study: The study.
        registry: The registered plugins.

    Returns:
        The results.

    Raises:
        DataError: If a file cannot be read.
    """
    finished = Finished()
    digests: dict[str, str] = {}
    for cell in study.cells:
        path = study.results / f"{cell.name}{ENDING}"
        failure = study.results / f"{cell.name}{FAILED}"
        record = read_record(path) if path.exists() else None
        if record is not None and _is_current(record, contents_of(study, cell, registry)):
            read = {"model": record["model"]["digest"], **record["files"]}
            if all(digests.setdefault(name, digest) == digest for name, digest in read.items()):
                finished.records[cell.name] = record
            else:
                finished.foreign.append(cell.name)
            continue
        if record is not None:
            finished.outdated.append(cell.name)
        if failure.exists():
            lines = json.loads(failure.read_text(encoding="utf-8"))["log"]
            last = next((line for line in reversed(lines) if line.strip()), "")
            finished.failed[cell.name] = last
        elif record is None:
            finished.missing.append(cell.name)
    return finished


def table(study: Study, registry: Registry) -> str:
    """Return the comparison of the finished cells as Markdown.

    Args:
        study: The study.
        registry: The registered plugins.

    Raises:
        DataError: If no cell is finished, or a file cannot be read.
    """
    finished = gather(study, registry)
    if not finished.records:
        raise DataError(f"study {study.name} has no finished cell", "run it: lab.py run STUDY")
    infos = {entry.name: entry.info for entry in registry.entries("task")}
    with tempfile.TemporaryDirectory() as folder:
        runs = restore_runs(Path(folder), finished.records.values())
        comparison = compare(runs, tasks={n: i for n, i in infos.items() if i is not None})
    parts = [_heading(study, finished), render.markdown(comparison), _remarks(finished)]
    return "\n\n".join(parts)


def cell_list(study: Study, registry: Registry) -> str:
    """Return one line for each cell: tier, name, predicted seconds, state.

    Args:
        study: The study.
        registry: The registered plugins.

    Raises:
        DataError: If a file cannot be read.
    """
    finished = gather(study, registry)
    lines = [f"{'tier':>4}  {'cell':<28} {'seconds':>7}  state"]
    lines += [
        f"{cell.tier:>4}  {cell.name:<28} {cell.seconds:>7.0f}  {_state(cell, finished)}"
        for cell in study.cells
    ]
    total = sum(cell.seconds for cell in study.cells if cell.name not in finished.records)
    return "\n".join([*lines, f"{total:,.0f} s are left to compute, one cell at a time"])


def _state(cell: Cell, finished: Finished) -> str:
    if cell.name in finished.records:
        seconds = sum(finished.records[cell.name]["seconds"].values())
        return f"finished in {seconds:.0f} s on {finished.records[cell.name]['device']}"
    if cell.name in finished.failed:
        return f"failed: {finished.failed[cell.name][:80]}"
    return "outdated" if cell.name in finished.outdated else "open"


def _heading(study: Study, finished: Finished) -> str:
    lines = [f"## {study.name}: {len(finished.records)} of {len(study.cells)} cells are finished"]
    seeds: dict[str, list[int]] = {}
    for record in finished.records.values():
        seeds.setdefault(record["system"], []).append(record["seed"])
    lines += [f"- {name}: seeds {', '.join(map(str, each))}" for name, each in seeds.items()]
    return "\n".join(lines)


def _remarks(finished: Finished) -> str:
    """Name every cell without a valid result; the tables themselves name fits that never left chance."""
    named: Mapping[str, list[str]] = {
        "not computed": finished.missing,
        "outdated (the study was edited)": finished.outdated,
        "left out (another encoder or other data than the first cell's)": finished.foreign,
        "failed": list(finished.failed),
    }
    lines = [f"- {label}: {', '.join(names)}" for label, names in named.items() if names]
    return "\n".join(lines) or "- every cell is finished"


def _is_current(record: Mapping[str, Any], contents: dict[str, Any]) -> bool:
    """Return whether the study still asks for the recorded contents, whichever names its settings have."""
    recorded, current = under_first_names(record["contents"]), under_first_names(contents)
    # Through JSON, as the record: a tuple becomes a list.
    return bool(recorded == json.loads(json.dumps(current)))
