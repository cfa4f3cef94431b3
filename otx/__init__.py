"""otx: align multilingual encoders on parallel text, and measure honestly whether it helped.

A tour::

    import otx

    run = otx.align(model="mini", corpus=["sample:de"], objective=["sinkhorn"], settings={"align.steps": 50})
    results = otx.evaluate(run, tasks=["retrieval"])
    print(otx.compare([run]).table())

What each call returns prints itself, in a notebook as a table:

* ``align`` fine-tunes an encoder on parallel sentences and returns a ``Run``, whose folder holds everything: settings,
  metrics, checkpoints, the aligned model, and results.
* ``evaluate`` measures a run, and the untouched encoder behind it, on tasks, and returns ``Results``.
* ``compare`` tests the differences between runs and their baselines, and returns a ``Comparison``.
* ``predict`` applies a fine-tuned model to lines of text.
* ``load_run`` and ``load_encoder`` open what is on disk; ``list_objectives`` names what can be minimised.
* ``otx.ot`` holds the optimal transport solvers, which need nothing but torch.

The command line ``otx`` calls the same functions. Settings come from the nearest ``otx.toml``, then from a recipe, then
from the arguments; ``otx config show`` lists them. Plugins mark their hooks with ``otx.hookimpl``; see docs/plugins.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from otx.api.comparison import Comparison
    from otx.api.functions import (
        align,
        compare,
        evaluate,
        list_objectives,
        load_encoder,
        load_run,
        predict,
    )
    from otx.api.results import Results
    from otx.api.run import Run

__version__ = "0.1.0"

__all__ = [
    "Comparison",
    "Results",
    "Run",
    "align",
    "compare",
    "evaluate",
    "hookimpl",
    "list_objectives",
    "load_encoder",
    "load_run",
    "predict",
]

hookimpl = pluggy.HookimplMarker("otx")
"""Marks a plugin's hook implementations."""

# Imported on first use: `import otx` takes milliseconds, and a plugin that only registers names needs no more.
_LAZY = {
    "Comparison": "otx.api.comparison",
    "Results": "otx.api.results",
    "Run": "otx.api.run",
    **{
        name: "otx.api.functions"
        for name in (
            "align",
            "compare",
            "evaluate",
            "list_objectives",
            "load_encoder",
            "load_run",
            "predict",
        )
    },
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _LAZY:
        raise AttributeError(f"module 'otx' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *_LAZY})
