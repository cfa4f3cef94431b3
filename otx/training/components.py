"""The plugins behind an alignment or a result: their effective options, distributions and versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from otx.data.corpora import DEFAULT_CORPUS
from otx.plugin_host.host import PluginHost
from otx.plugin_host.registry import Entry
from otx.training.factories import objective_terms, resolve_encoder
from otx.training.session import Session


def components(session: Session) -> list[Entry]:
    """Return the registered names that an alignment uses: encoders, objectives with those added, and corpora.

    Args:
        session: The settings of the run, and the plugins.

    Returns:
        The entries, each once.
    """
    settings, registry = session.settings, session.registry
    teacher = settings.align.teacher
    models = [settings.encoder.model, *([] if teacher is None else [teacher])]
    entries = [resolve_encoder(model, registry)[0] for model in models]
    entries += [registry.find("objective", term.name) for term in objective_terms(settings.align)]
    entries += [
        registry.resolve("corpus", spec, DEFAULT_CORPUS)[0] for spec in settings.data.corpus
    ]
    return [entry for number, entry in enumerate(entries) if entry not in entries[:number]]


def effective_settings(session: Session) -> dict[str, dict[str, Any]]:
    """Return all settings of an alignment, with every option of its components, defaults included.

    Args:
        session: The settings of the run, and the plugins.

    Returns:
        Values by table and key.
    """
    tables = session.settings.as_dict()
    for entry in components(session):
        if entry.options is not None:
            tables[entry.name] = asdict(entry.read_options(session.settings.option_tables))
    return tables


def plugin_versions(entries: Iterable[Entry], host: PluginHost) -> list[dict[str, str]]:
    """Return kind, name, distribution and version of each component, and of each plugin that observes.

    Args:
        entries: The registered names that are used.
        host: The loaded plugins.

    Returns:
        One table each, as records keep it. The version of a plugin file is the beginning of its digest.
    """
    rows = [("observer", *observer) for observer in host.observers()]
    rows[:0] = [(entry.kind, entry.name, entry.distribution, entry.version) for entry in entries]
    return [
        dict(zip(("kind", "name", "distribution", "version"), row, strict=True)) for row in rows
    ]
