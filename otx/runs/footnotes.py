"""Footnotes of a table: facts without which its numbers would be misread, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from otx.runs.grouping import System
from otx.runs.matching import Match
from otx.runs.plugin_notes import evaluation_notes
from otx.runs.results import EvalUnit

FEW_CLUSTERS = 30
"""Number of clusters below which an interval is rough."""


def added_terms(systems: Sequence[System]) -> tuple[str, ...]:
    """Return a note for each loss term that a system's label does not name.

    No row of a table may hide a term.

    Args:
        systems: The systems of a comparison.
    """
    added: dict[str, list[str]] = {}
    for system in systems:
        record = system.runs[0].record
        asked = {text.rpartition("*")[2] for text in record.get("objectives", [])}
        for name, amount in record.get("terms", {}).items():
            if name not in asked:
                # Older records hold the weight as a number.
                weight = amount if isinstance(amount, str) else f"{amount:g}"
                added.setdefault(f"{weight}*{name}", []).append(system.label)
    return tuple(f"{term} was added to {_listed(labels)}" for term, labels in sorted(added.items()))


def table_notes(
    match: Match, systems: Sequence[System], clusters: Mapping[str, int]
) -> tuple[str, ...]:
    """Return every note on one table.

    Args:
        match: The results of the table.
        systems: All systems of the comparison.
        clusters: Number of clusters that the bootstrap resamples, by language.
    """
    present = [system for system in systems if system.label in match.results]
    return (
        *_missing(match, systems),
        *_without_baseline(match, present),
        *_left_out(match),
        *_single_alignments(match, present),
        *_inexact(present),
        *_unequal_seeds(match),
        *_at_chance(match),
        *_few_clusters(clusters),
        *_contamination(match, present),
        *_plugins(match),
    )


def _missing(match: Match, systems: Sequence[System]) -> list[str]:
    notes = []
    absent = [system.label for system in systems if system.label not in match.results]
    if absent:
        notes.append(f"no results at all: {_listed(absent)}")
    for label, by_language in match.results.items():
        missing = [language for language in match.languages if language not in by_language]
        if missing:
            notes.append(
                f"{label} has no result in {_listed(missing)}: '-' in these columns and in its means"
            )
    return notes


def _without_baseline(match: Match, present: Sequence[System]) -> list[str]:
    alone = [
        system.label
        for system in present
        if not system.untouched
        and system.baseline not in match.results
        and not any(other.baseline == system.label for other in present)
    ]
    if not alone:
        return []
    return [
        f"no result of a baseline for {_listed(alone)}, so no differences: "
        f"otx eval {match.task} evaluates the untouched encoder"
    ]


def _left_out(match: Match) -> list[str]:
    if not match.left_out:
        return []
    return [
        f"left out: {match.left_out} results with other data, another version of the task or other "
        "training data"
    ]


def _single_alignments(match: Match, present: Sequence[System]) -> list[str]:
    single = [
        system.label
        for system in present
        if not system.untouched and len(_alignments(match, system.label)) == 1
    ]
    if not single:
        return []
    return [
        f"one alignment seed only: {_listed(single)}; the interval covers other test examples, "
        "not another alignment"
    ]


def _inexact(present: Sequence[System]) -> list[str]:
    runs = (run for system in present for run in system.runs)
    return [
        f"{run.name} is not exact: {line}" for run in runs for line in inexact_lines(run.record)
    ]


def inexact_lines(record: Mapping[str, Any]) -> list[str]:
    """Return a line for each time that a run was resumed inexactly.

    Other versions, another number of threads or another device make a resumed run inexact.

    Args:
        record: The run's record.
    """
    lines = []
    for entry in record.get("inexact", []):
        changed = (f"{name} {', then '.join(values)}" for name, values in entry["changed"].items())
        lines.append(f"resumed at step {entry['step']:,} with a difference in {'; '.join(changed)}")
    return lines


def _alignments(match: Match, label: str) -> set[int | None]:
    return {seed[0] for seeds in match.results[label].values() for seed in seeds}


def _unequal_seeds(match: Match) -> list[str]:
    notes = []
    for label, by_language in match.results.items():
        every = {seed for seeds in by_language.values() for seed in seeds}
        short = sorted(name for name, seeds in by_language.items() if len(seeds) < len(every))
        if short:
            notes.append(f"{label} does not have all of its {len(every)} seeds in {_listed(short)}")
    return notes


def _at_chance(match: Match) -> list[str]:
    units = {
        (label, seed): unit
        for label, by_language in match.results.items()
        for seeds in by_language.values()
        for seed, (_, unit) in seeds.items()
    }
    return chance_notes(
        (label if alignment is None else f"{label} {alignment}", unit)
        for (label, (alignment, _)), unit in units.items()
    )


def chance_notes(named: Iterable[tuple[str, EvalUnit]]) -> list[str]:
    """Return the lines of ``chance_note`` for several results, each line once.

    Args:
        named: Results with the names of their runs or systems.
    """
    notes = (chance_note(name, unit) for name, unit in named)
    return list(dict.fromkeys(note for note in notes if note is not None))


def chance_note(name: str, unit: EvalUnit) -> str | None:
    """Return a line on a fine-tuning that never left chance, or None.

    Args:
        name: Name of the run or system.
        unit: The result.
    """
    fit = unit.fit
    if fit is None or fit["left_chance"]:
        return None
    start = f"{name}, head seed {unit.head_seed}, never left chance on {unit.task}"
    if fit["floor_value"] is None:
        return f"{start}: its development {fit['metric']} is undefined"
    return (
        f"{start}: best development {fit['metric']} {fit['best']:.1%} of {fit['size']:,} examples, "
        f"{fit['floor']} {fit['floor_value']:.1%}"
    )


def _few_clusters(clusters: Mapping[str, int]) -> list[str]:
    few = [f"{name} ({count})" for name, count in clusters.items() if count < FEW_CLUSTERS]
    if not few:
        return []
    return [f"fewer than {FEW_CLUSTERS} clusters, so a rough interval: {_listed(few)}"]


def _contamination(match: Match, present: Sequence[System]) -> list[str]:
    """Return a note on the test texts that occur in the bitext; systems with the same counts share a line."""
    counted: dict[str, list[str]] = {}
    for system in present:
        if not system.untouched:
            counted.setdefault(_overlap(match, system.label), []).append(system.label)
    return [f"in the bitext of {_listed(labels)}: {overlap}" for overlap, labels in counted.items()]


def _plugins(match: Match) -> list[str]:
    return evaluation_notes(
        (label, unit.plugins)
        for label, by_language in match.results.items()
        for seeds in by_language.values()
        for _, unit in seeds.values()
    )


def _overlap(match: Match, label: str) -> str:
    parts = []
    for language, seeds in sorted(match.results[label].items()):
        counts = [unit.contamination for _, unit in seeds.values()]
        most = max(counts, key=lambda count: count.get("hits", 0))
        if most.get("hits"):
            parts.append(f"{most['hits']:,} of {most['size']:,} in {language}")
    return f"tested texts, {_listed(parts)}" if parts else "none of the tested texts"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)
