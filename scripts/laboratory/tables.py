"""The comparison from whatever is finished: otx's own tables, and what is missing beside them."""

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
    """The results of a study by cell, and the names of cells that have none.

    outdated: the study says something else of the cell now. foreign: computed with another encoder or other files than
    the first. failed: name -> last line of the log.
    """

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    outdated: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def gather(study: Study, registry: Registry) -> Finished:
    """Read every cell's result. Raises DataError for a file that cannot be read."""
    found = Finished()
    digests: dict[str, str] = {}
    for cell in study.cells:
        path = study.results / f"{cell.name}{ENDING}"
        failure = study.results / f"{cell.name}{FAILED}"
        record = read_record(path) if path.exists() else None
        if record is not None and _is_current(record, contents_of(study, cell, registry)):
            read = {"model": record["model"]["digest"], **record["files"]}
            if all(digests.setdefault(name, digest) == digest for name, digest in read.items()):
                found.records[cell.name] = record
            else:
                found.foreign.append(cell.name)
            continue
        if record is not None:
            found.outdated.append(cell.name)
        if failure.exists():
            lines = json.loads(failure.read_text(encoding="utf-8"))["log"]
            found.failed[cell.name] = next((line for line in reversed(lines) if line.strip()), "")
        elif record is None:
            found.missing.append(cell.name)
    return found


def table(study: Study, registry: Registry) -> str:
    """Return the comparison as Markdown."""
    found = gather(study, registry)
    if not found.records:
        raise DataError(f"study {study.name} has no finished cell", "run it: lab.py run STUDY")
    infos = {entry.name: entry.info for entry in registry.entries("task")}
    with tempfile.TemporaryDirectory() as folder:
        runs = restore_runs(Path(folder), found.records.values())
        comparison = compare(runs, tasks={n: i for n, i in infos.items() if i is not None})
    return "\n\n".join([_heading(study, found), render.markdown(comparison), _remarks(found)])


def cell_list(study: Study, registry: Registry) -> str:
    """Return one line for each cell: tier, name, predicted seconds, state."""
    found = gather(study, registry)
    lines = [f"{'tier':>4}  {'cell':<28} {'seconds':>7}  state"]
    lines += [
        f"{cell.tier:>4}  {cell.name:<28} {cell.seconds:>7.0f}  {_state(cell, found)}"
        for cell in study.cells
    ]
    total = sum(cell.seconds for cell in study.cells if cell.name not in found.records)
    return "\n".join([*lines, f"{total:,.0f} s are left to compute, one cell at a time"])


def _state(cell: Cell, found: Finished) -> str:
    if cell.name in found.records:
        seconds = sum(found.records[cell.name]["seconds"].values())
        return f"finished in {seconds:.0f} s on {found.records[cell.name]['device']}"
    if cell.name in found.failed:
        return f"failed: {found.failed[cell.name][:80]}"
    return "outdated" if cell.name in found.outdated else "open"


def _heading(study: Study, found: Finished) -> str:
    lines = [f"## {study.name}: {len(found.records)} of {len(study.cells)} cells are finished"]
    seeds: dict[str, list[int]] = {}
    for record in found.records.values():
        seeds.setdefault(record["system"], []).append(record["seed"])
    lines += [f"- {name}: seeds {', '.join(map(str, own))}" for name, own in seeds.items()]
    return "\n".join(lines)


def _remarks(found: Finished) -> str:
    """Name every cell without a result that counts; tables name fits that never left chance themselves."""
    named: Mapping[str, list[str]] = {
        "not computed": found.missing,
        "outdated (the study was edited)": found.outdated,
        "left out (another encoder or other data than the first cell's)": found.foreign,
        "failed": list(found.failed),
    }
    lines = [f"- {what}: {', '.join(names)}" for what, names in named.items() if names]
    return "\n".join(lines) or "- every cell is finished"


def _is_current(record: Mapping[str, Any], contents: dict[str, Any]) -> bool:
    """Return whether the study still asks for what the record holds, under whatever names of settings."""
    recorded, current = under_first_names(record["contents"]), under_first_names(contents)
    # Through JSON, as the record went: a tuple is a list there.
    return bool(recorded == json.loads(json.dumps(current)))
