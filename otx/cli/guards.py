"""The guards of a run, before and after, in words and columns."""

from __future__ import annotations

from collections.abc import Mapping

from otx.cli.output import columns

SHOWN = {
    "retrieval": ("held-out retrieval", "{:.1%}"),
    "aer": ("word-alignment error (lower is better)", "{:.3f}"),
    "random_cosine": ("cosine of random pairs (1 = collapsed)", "{:.3f}"),
    "effective_rank": ("effective rank of the sentences", "{:.1f}"),
}


def guard_lines(guards: Mapping[str, Mapping[str, float]]) -> list[str]:
    """One line a guard: its name, before -> after."""
    before, after = guards["before"], guards["after"]
    rows = [
        (text, f"{form.format(before[name])} -> {form.format(after[name])}")
        for name, (text, form) in SHOWN.items()
        if name in before and name in after
    ]
    return columns(rows).split("\n") if rows else []
