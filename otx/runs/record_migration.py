"""Read records of runs that an older otx wrote: one translation from each schema to the next.

Schema 2 has a settings table per component; in schema 1, ``[align]`` held most settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otx.config.migration import RENAMED, migrate_key, migrate_tables
from otx.files.digests import content_key

SCHEMA = 2
"""Schema of the records that this otx writes."""


def settings_digest(tables: Mapping[str, Any]) -> str:
    """Return the content key of a run's settings.

    The folder of the runs does not count, since it may be moved.

    Args:
        tables: Settings by table and key, as run.json holds them.
    """
    return content_key(settings={name: table for name, table in tables.items() if name != "runs"})


def migrate_record(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record in the present schema.

    Args:
        record: A record of any schema up to ``SCHEMA``, as run.json holds it.

    Returns:
        The record itself if it has the present schema, otherwise a new one. A digest of the settings that does not
        match them is left as it is, so that a resume still refuses settings that were edited.
    """
    if record["schema"] != 1:
        return record
    migrated = {**record, "schema": SCHEMA}
    tables = record.get("settings")
    if isinstance(tables, dict):
        tables = migrate_tables(tables)
        if record.get("kind") == "align":
            # A run from before this setting trained the whole table.
            tables.setdefault("encoder", {}).setdefault("vocabulary", "whole")
        migrated["settings"] = tables
        if record.get("settings_digest") == settings_digest(record["settings"]):
            migrated["settings_digest"] = settings_digest(tables)
    origins = record.get("origins")
    if isinstance(origins, dict):
        migrated["origins"] = {migrate_key(dotted): origin for dotted, origin in origins.items()}
    return migrated


def first_names(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings under the names of schema 1.

    This is the inverse of ``otx.config.migration.migrate_tables``.

    Content keys that were computed from settings in schema 1 do not change when they are computed from this.

    Args:
        tables: Values by dotted key, or by table and key.

    Returns:
        The same values under the old names.

    Example:
        >>> first_names({"optimizer.lr": 0.1})
        {'align.lr': 0.1}
        >>> first_names({"optimizer": {"lr": 0.1}, "align": {"steps": 3}})
        {'align': {'lr': 0.1, 'steps': 3}}
    """
    old_names = {new: old for old, new in RENAMED.items()}
    first: dict[str, Any] = {}
    for name, value in tables.items():
        if not isinstance(value, Mapping):
            first[old_names.get(name, name)] = value
            continue
        for key, item in value.items():
            table, _, old_key = old_names.get(f"{name}.{key}", f"{name}.{key}").partition(".")
            first.setdefault(table, {})[old_key] = item
    return first
