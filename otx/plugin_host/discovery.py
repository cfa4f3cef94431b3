"""Find plugins without running them: those of installed distributions, and files given by ``--plugin``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from otx.did_you_mean import remedy
from otx.errors import DataError, PluginError, UsageError
from otx.plugin_host.absent import canonical
from otx.plugin_host.attribution import OURS
from otx.plugin_host.entry_points import Announcing, announcing, load, points
from otx.plugin_host.plugin_files import file_version, load_file, plugin_files

GROUP = "otx"
"""Group of the entry points of plugins, and project name of their hooks."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin that is installed or given as a file. None of its code has run.

    Attributes:
        name: Name of its entry point, or the path of a plugin file.
        distribution: Distribution that brings it, or the path of a plugin file.
        version: Version of the distribution, or the beginning of the file's digest.
        load: Imports it and returns the module.
        is_file: True for a plugin file.
    """

    name: str
    distribution: str
    version: str
    load: Callable[[], Any]
    is_file: bool = False

    @property
    def ours(self) -> bool:
        """True if it is part of otx."""
        return canonical(self.distribution) == OURS

    @property
    def full_name(self) -> str:
        """``distribution:name``, or the path of a plugin file."""
        return self.name if self.is_file else f"{self.distribution}:{self.name}"


def installed() -> list[Installed]:
    """Return every installed plugin, otx's own first, then by name. Reads metadata only, and as little as possible."""
    by_distribution: dict[str, list[Installed]] = {}
    for distribution in announcing(GROUP):
        # A second copy further down the path is shadowed, as it is for import.
        by_distribution.setdefault(canonical(distribution.name), _announced(distribution))
    plugins = [plugin for several in by_distribution.values() for plugin in several]
    return sorted(plugins, key=lambda p: (not p.ours, p.name, p.distribution))


def given_files() -> list[Installed]:
    """Return the plugin files of ``--plugin``, in their order."""
    return [
        Installed(path, path, _version(path), partial(load_file, path), is_file=True)
        for path in plugin_files()
    ]


def _version(path: str) -> str:
    try:
        return file_version(path)
    except DataError:
        # Loading the file fails in the same way, and is recorded as a failure of this plugin alone.
        return ""


def _announced(distribution: Announcing) -> list[Installed]:
    owner, version = distribution.name, distribution.version
    try:
        announced = points(distribution.text, GROUP)
    except PluginError as error:
        message = error.message

        def refuse() -> Any:
            raise PluginError(message, "install the distribution again")

        return [Installed(owner, owner, version, refuse)]
    return [Installed(name, owner, version, partial(load, value)) for name, value in announced]


def find_installed(name: str, among: Iterable[Installed]) -> Installed:
    """Return the plugin of a name.

    Args:
        name: ``name`` or ``distribution:name``.
        among: The plugins to search.

    Raises:
        UsageError: If there is none, or more than one.
    """
    plugins = list(among)
    matches = [plugin for plugin in plugins if name in (plugin.name, plugin.full_name)]
    if not matches:
        known = {plugin.name for plugin in plugins if not plugin.ours}
        raise UsageError(f"no plugin '{name}' is installed", remedy(name, known))
    if len(matches) > 1:
        both = " or ".join(plugin.full_name for plugin in matches)
        raise UsageError(f"several plugins are named '{name}'", f"write {both}")
    return matches[0]
