"""Write docs/objectives.md from what the objectives' own files say: `python scripts/write_objectives.py`."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

from otx.cli.config import toml
from otx.config.objective_term import parse_term
from otx.config.settings import load_settings
from otx.config.toml_file import read_file
from otx.config.validation import field_docs
from otx.plugin_host.host import host
from otx.plugin_host.registry import Entry, Registry
from otx.types import Needs

PAGE = Path(__file__).parents[1] / "docs/objectives.md"
WIDTH = 8
HEAD = """# Objectives

What `otx align --objective NAME` can minimise. This page is made from the objectives' own files by
`scripts/write_objectives.py`; what each does on the same pairs is in
[results/objectives.md](results/objectives.md).

Several are added up: `--objective sinkhorn --objective 0.5*tlm`, or in a file

```toml
[[align.objective]]
name = "sinkhorn"

[[align.objective]]
name = "tlm"
weight = "0..0.5"   # rises from 0
over = 0.2          # within the first fifth of the run
```

`0.1*keep-close` is added unless it is named or `align.keep_close` is 0. Each distinct view is computed once a batch,
whoever needs it; every term is logged apart in `metrics.jsonl`, with the norm of the gradient that it sends into the
encoder (`NAME.gradient`), whose shares are told at the end of a run. For all of them alike: `encoder.freeze`
(`embeddings`, `lower`, `upper`), `encoder.lora`, `encoder.recompute`, `diagnostics.keep_best`.

Views: **states** are hidden states of one layer; **links** word links (from a file, or sought with the untouched
encoder); **frozen** the untouched encoder's states; **moving average** those of one that follows the trained;
**teacher** another encoder's; **masked** logits of masked sub-words, **tlm** the same with both sides in one sequence;
**idf** inverse document frequencies; **parameters** now and at first. Scope: `sentence`, where the batch's loss is the
mean of its pairs', or `batch`. *Owns*: parameters of its own, trained with the encoder's.
"""
VIEWS = {
    "layers": "states",
    "links": "links",
    "reference": "frozen",
    "momentum": "moving average",
    "teacher": "teacher",
    "masked": "masked",
    "tlm": "tlm",
    "idf": "idf",
    "parameters": "parameters",
}


def page() -> str:
    """The whole page."""
    registry = host(load_settings()).registry
    entries = registry.entries("objective")
    recipes = _recipes(registry)
    rows = [_row(entry, recipes.get(entry.name, [])) for entry in entries]
    head = "| objective | is | views | scope | owns | recipes |\n|---|---|---|---|---|---|"
    parts = [_section(entry) for entry in entries]
    return "\n".join([HEAD, head, *rows, "", *parts])


def _recipes(registry: Registry) -> dict[str, list[str]]:
    """The recipes that use each objective, by its name."""
    found: dict[str, list[str]] = {}
    for entry in registry.entries("recipe"):
        for dotted, value, _ in read_file(entry.path):
            for text in value if dotted == "align.objective" else ():
                found.setdefault(parse_term(text).name, []).append(entry.name)
    return found


def _row(entry: Entry, recipes: list[str]) -> str:
    made: Any = _made(entry)
    needs: Needs = made.needs
    views = [said for name, said in VIEWS.items() if getattr(needs, name)]
    owns = "yes" if any(True for _ in made.parameters()) else ""
    cells = [
        f"[`{entry.name}`](#{entry.name})",
        entry.summary,
        ", ".join(views),
        made.scope,
        owns,
        ", ".join(f"`{name}`" for name in recipes if entry.name != "keep-close"),
    ]
    return f"| {' | '.join(cells)} |"


def _made(entry: Entry) -> Any:
    options = None if entry.options is None else entry.options()
    return entry.load()(options, WIDTH)


def _section(entry: Entry) -> str:
    text = inspect.cleandoc(entry.load().__doc__ or "")
    lines = [f"## {entry.name}", "", _markdown(text), ""]
    if entry.options is not None:
        docs = field_docs(entry.options)
        lines += [
            f"- `{field.name} = {toml(field.default)}`: {docs[field.name].replace('``', '`')}"
            for field in dataclasses.fields(entry.options)
        ]
    return "\n".join([*lines, ""])


def _markdown(text: str) -> str:
    """A docstring's double backticks and indented formulas as Markdown has them."""
    blocks = text.replace("``", "`").split("\n\n")
    made = []
    for block in blocks:
        if block.strip() == "::":
            continue
        if block.startswith("    "):
            made.append(f"```\n{inspect.cleandoc(block)}\n```")
        else:
            made.append(re.sub(r"::$", ":", block))
    return "\n\n".join(made)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
