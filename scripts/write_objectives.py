"""Write docs/objectives.md from the docstrings of the objectives: `python scripts/write_objectives.py`."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

from otx.cli.config import toml
from otx.config.objective_term import parse_term
from otx.config.settings import load_settings
from otx.config.toml_file import read_file
from otx.config.validation import field_docs
from otx.plugin_host.host import host
from otx.plugin_host.registry import Entry, Registry
from otx.views import VIEWS, by_kind

PAGE = Path(__file__).parents[1] / "docs/objectives.md"
WIDTH = 8
HEAD = """# Objectives

The objectives that `otx align --objective NAME` minimises. `scripts/write_objectives.py` makes this page of their
docstrings; [results/objectives.md](results/objectives.md) compares them on the same pairs.

Several objectives are added: `--objective sinkhorn --objective 0.5*tlm`, or in a file

```toml
[[align.objective]]
name = "sinkhorn"

[[align.objective]]
name = "tlm"
weight = "0..0.5"   # rises from 0
over = 0.2          # within the first fifth of the run
```

`0.1*keep-close` is added unless it is named or `align.keep_close` is 0. Each distinct view is computed once per batch,
whichever objectives read it. Every term is logged separately in `metrics.jsonl`, in the first three
steps and every tenth with the norm of the gradient that it sends into the encoder (`NAME.gradient`); a run ends with a
summary of their shares. These settings apply to all objectives: `encoder.freeze` (`embeddings`, `lower`, `upper`),
`encoder.lora`, `encoder.recompute`, `diagnostics.keep_best`.

{views}

Scope: `mean`, where the loss of a batch is the mean over a number of items (pairs, words, links or masked
sub-words), so that a batch can be split and recombined by that number; or `batch`, where it depends on the whole
batch. *Owns*: parameters of its own, trained with the encoder's.
"""
SECTIONS = (
    "Minimises",
    "Args",
    "Inputs",
    "Scope",
    "Relation to others",
    "When not to use it",
    "Example",
    "References",
)
"""Headings of an objective's docstring, in their order; ``Args`` is written as the table of options."""
_HEADING = re.compile(rf"^({'|'.join(SECTIONS)}):$")


def page() -> str:
    """Return the whole page."""
    registry = host(load_settings()).registry
    entries = registry.entries("objective")
    recipes = _recipes(registry)
    rows = [_row(entry, recipes.get(entry.name, [])) for entry in entries]
    head = "| objective | is | views | scope | owns | recipes |\n|---|---|---|---|---|---|"
    parts = [_section(entry) for entry in entries]
    return "\n".join([HEAD.replace("{views}", _view_list()), head, *rows, "", "\n".join(parts)])


def _view_list() -> str:
    """Return a sentence about each view, in the order of the table."""
    parts = [f"**{view.label}** ({view.__name__}): {view.summary}" for view in VIEWS]
    return "\n".join(textwrap.wrap(f"Views: {'; '.join(parts)}.", 119, break_on_hyphens=False))


def _recipes(registry: Registry) -> dict[str, list[str]]:
    """Return the recipes that use each objective, by its name."""
    recipes: dict[str, list[str]] = {}
    for entry in registry.entries("recipe"):
        for dotted, value, _ in read_file(entry.path):
            for text in value if dotted == "align.objective" else ():
                recipes.setdefault(parse_term(text).name, []).append(entry.name)
    return recipes


def _row(entry: Entry, recipes: list[str]) -> str:
    objective: Any = _default_objective(entry)
    views = [view.label for view in by_kind(objective.views)]
    owns = "yes" if any(True for _ in objective.parameters()) else ""
    cells = [
        f"[`{entry.name}`](#{entry.name})",
        entry.summary,
        ", ".join(views),
        objective.scope,
        owns,
        ", ".join(f"`{name}`" for name in recipes if entry.name != "keep-close"),
    ]
    return f"| {' | '.join(cells)} |"


def _default_objective(entry: Entry) -> Any:
    options = None if entry.options is None else entry.options()
    return entry.load()(options, WIDTH)


def _section(entry: Entry) -> str:
    parts = [f"## {entry.name}"]
    options = _options(entry)
    for heading, text in sections(entry.load().__doc__ or ""):
        if heading is None:
            parts.append(_markdown(text))
        elif heading != "Args":
            written = _markdown(text)
            # A code block or a list begins a line of its own.
            gap = "\n\n" if written.startswith(("```", "- ")) else " "
            parts.append(f"**{heading}.**{gap}{written}")
        elif options:
            parts.append(f"**Options.**\n\n{options}")
            options = ""
    if options:
        parts.append(options)
    return "\n\n".join(parts) + "\n"


def _options(entry: Entry) -> str:
    """Return a list of the options with their defaults."""
    if entry.options is None:
        return ""
    docs = field_docs(entry.options)
    return "\n".join(
        f"- `{field.name} = {toml(field.default)}`: {docs[field.name].replace('``', '`')}"
        for field in dataclasses.fields(entry.options)
    )


def sections(docstring: str) -> list[tuple[str | None, str]]:
    r"""Split a docstring by the headings in ``SECTIONS``.

    Args:
        docstring: A docstring. A section is a heading with a colon, alone on a line at the margin, and an indented
            block.

    Returns:
        Headings and dedented texts in their order; None is the heading of what precedes the first.

    Example:
        >>> sections("Pull.\n\nScope:\n    Mean over pairs.\n")
        [(None, 'Pull.'), ('Scope', 'Mean over pairs.')]
    """
    heading: str | None = None
    lines: list[str] = []
    parts: list[tuple[str | None, str]] = []
    for line in [*inspect.cleandoc(docstring).split("\n"), None]:
        match = None if line is None else _HEADING.match(line)
        if line is None or match:
            text = textwrap.dedent("\n".join(lines)).strip("\n")
            if text.strip():
                parts.append((heading, text))
        if match:
            heading, lines = match[1], []
        elif line is not None:
            lines.append(line)
    return parts


def _markdown(text: str) -> str:
    """Return text of a docstring as Markdown: double backticks, indented formulas and doctests."""
    parts = []
    for block in text.replace("``", "`").split("\n\n"):
        if block.startswith(">>>"):
            parts.append(f"```python\n{block}\n```")
        elif block.startswith("    "):
            parts.append(f"```\n{inspect.cleandoc(block)}\n```")
        elif block.strip() != "::":
            parts.append(re.sub(r"::$", ":", block))
    return "\n\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
