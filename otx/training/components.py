"""The plugins behind an alignment or a result: what each is, its effective options, its distribution and version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from otx.config.settings import Settings
from otx.data.corpora import DEFAULT_CORPUS
from otx.plugin_host.host import PluginHost
from otx.plugin_host.registry import Entry, Registry
from otx.training.factories import resolve_encoder, terms


def components(settings: Settings, registry: Registry) -> list[Entry]:
    """Return the registered names that an alignment uses: encoders, objectives with those added, and corpora.

    Args:
        settings: The settings of the run.
        registry: What plugins registered.

    Returns:
        The entries, each once.
    """
    teacher = settings.align.teacher
    models = [settings.encoder.model, *([] if teacher is None else [teacher])]
    found = [resolve_encoder(model, registry)[0] for model in models]
    found += [registry.find("objective", term.name) for term in terms(settings)]
    found += [registry.resolve("corpus", spec, DEFAULT_CORPUS)[0] for spec in settings.data.corpus]
    return [entry for number, entry in enumerate(found) if entry not in found[:number]]


def effective_settings(settings: Settings, registry: Registry) -> dict[str, dict[str, Any]]:
    """Return all settings of an alignment, with every option of the components that it uses, defaults included."""
    tables = settings.as_dict()
    for entry in components(settings, registry):
        if entry.options is not None:
            tables[entry.name] = asdict(entry.read_options(settings))
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
