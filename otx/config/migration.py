"""Old names of settings, and the one translation of tables that were written with them.

Before settings had a table per component, ``[align]`` held most of them. Records of runs, study files and laboratory
cells of that time are translated when they are read; an old name in otx.toml or in a flag is refused with its new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_MOVED = {
    "runtime": ("device", "dtype"),
    "encoder": (
        "model",
        "max_length",
        "layer",
        "word_vector",
        "freeze",
        "vocabulary",
        "dropout",
        "lora",
        "recompute",
    ),
    "data": (
        "corpus",
        "pivot",
        "heldout",
        "batch_tokens",
        "sampling",
        "every_pair",
        "max_bad",
        "drop_duplicates",
        "length_ratio",
        "drop_identical",
    ),
    "optimizer": ("lr", "warmup", "weight_decay", "clip", "accumulate"),
    "diagnostics": ("keep_best", "candidates", "gold", "index_base"),
}

RENAMED: Mapping[str, str] = MappingProxyType(
    {f"align.{key}": f"{table}.{key}" for table, keys in _MOVED.items() for key in keys}
    | {
        "align.checkpoint_every": "checkpoint.every",
        "align.keep_checkpoints": "checkpoint.keep",
        "align.guard_every": "diagnostics.every",
    }
)
"""New dotted key by old dotted key."""


def migrate_key(dotted: str) -> str:
    """Return the present name of a setting, which may be ``dotted`` itself.

    Args:
        dotted: Dotted key, under its old or its present name.

    Example:
        >>> migrate_key("align.lr")
        'optimizer.lr'
    """
    return RENAMED.get(dotted, dotted)


def migrate_tables(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return tables of settings with every old name replaced by its present one.

    Args:
        tables: Values by table and key, with old names, present names or both.

    Returns:
        New tables; a value under a present name takes precedence over one under the old name.

    Example:
        >>> migrate_tables({"align": {"lr": 0.1, "steps": 3}})
        {'align': {'steps': 3}, 'optimizer': {'lr': 0.1}}
    """
    migrated: dict[str, dict[str, Any]] = {}
    for name, table in tables.items():
        migrated.setdefault(name, {})
        for key, value in table.items():
            table_name, _, new_key = migrate_key(f"{name}.{key}").partition(".")
            if table_name == name:
                migrated[name][new_key] = value
            else:
                migrated.setdefault(table_name, {}).setdefault(new_key, value)
    return migrated
