"""Shapes of the JSON files in a run folder: the fields and types that their readers rely on (``otx.files.shapes``)."""

from __future__ import annotations

from otx.files.shapes import ANY, COUNT, NOTHING, NUMBER, OPTIONAL_COUNT, OPTIONAL_TEXT

PLUGINS = [{"kind": str, "name": str, "distribution": str, "version": str}]
"""The plugins used."""
LEDGER = {
    "read": COUNT,
    "used": COUNT,
    "held_out": COUNT,
    "filtered": {str: COUNT},
    "refused": {str: COUNT},
    "repaired": {str: COUNT},
}
"""Counts of the lines of a corpus."""

RECORD_SHAPE = {
    "kind": str,
    "status": str,
    "created": str,
    "settings": {str: {str: ANY}},
    "observer_failures?": [str],
    "model?": str,
    "model_digest?": str,
    "model_digest_before?": str,
    "objectives?": [str],
    "terms?": {str: (str, int, float)},
    "alignment_seed?": OPTIONAL_COUNT,
    "origins?": {str: str},
    "corpora?": [
        {
            "name": str,
            "ledger?": LEDGER,
            "source": str,
            "pivot": str,
            "fingerprint?": OPTIONAL_TEXT,
            "pairs?": COUNT,
            "held_out?": COUNT,
            "refused?": COUNT,
            "filtered?": {str: COUNT},
        }
    ],
    "files?": {str: str},
    "options?": {str: {str: ANY}},
    "precision?": str,
    "device?": str,
    "processes?": COUNT,
    "versions?": {str: str},
    "steps?": COUNT,
    "lr?": NUMBER,
    "trainable_parameters?": COUNT,
    "problems?": {str: COUNT},
    "guards?": {"before?": {str: NUMBER}, "after?": {str: NUMBER}},
    "diagnostics?": {str: {"candidates": {str: COUNT}, "ceilings": {str: str}}},
    "loss?": {"first": NUMBER, "last": NUMBER},
    "verdict?": [str],
    "best?": (NOTHING, {"step": COUNT, "metric": str, "value": NUMBER}),
    "gradient_shares?": {str: NUMBER},
    "inexact?": [{"step": COUNT, "changed": {str: [str]}}],
    "error?": OPTIONAL_TEXT,
    "plugins?": PLUGINS,
    "plugin_changes?": [str],
    "settings_digest?": str,
    "bitext_hashes?": str,
}
"""The record, run.json."""
ROW_SHAPE = {"step": COUNT, "loss?": NUMBER}
"""A row of metrics.jsonl; each loss term adds further fields."""
PROBLEM_SHAPE = {"file": str, "line": COUNT, "kind": str, "reason": str}
"""A line of problems.jsonl."""

UNIT_SHAPE = {
    "schema": COUNT,
    "task": str,
    "task_version": str,
    "language": str,
    "metrics": {str: NUMBER},
    "alignment_seed": OPTIONAL_COUNT,
    "head_seed": OPTIONAL_COUNT,
    "key": str,
    "data_digest": str,
    "model_digest": str,
    "training_digest": OPTIONAL_TEXT,
    "count": COUNT,
    "floor": OPTIONAL_TEXT,
    "options": {str: ANY},
    "contamination": {"hits": COUNT, "size": COUNT},
    "seconds": NUMBER,
    "versions": {str: str},
    "data?": OPTIONAL_TEXT,
    "precision?": OPTIONAL_TEXT,
    "encoder_options?": {str: ANY},
    "fit?": (
        NOTHING,
        {
            "metric": str,
            "best": NUMBER,
            "step": COUNT,
            "size": COUNT,
            "floor": OPTIONAL_TEXT,
            "floor_value": (int, float, NOTHING),
            "left_chance": bool,
        },
    ),
    "written?": str,
    "plugins?": PLUGINS,
}
"""The file of an evaluation unit."""
