"""Find plugins without running them: those that installed distributions announce, and files given by ``--plugin``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Any

from otx.did_you_mean import remedy
from otx.errors import DataError, PluginError, UsageError
from otx.plugin_host.absent import canonical
from otx.plugin_host.attribution import OURS
from otx.plugin_host.plugin_files import file_version, load_file, plugin_files

GROUP = "otx"
"""The group of entry points that plugins are announced in, and the project name of their hooks."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin as its distribution's metadata announces it, or a plugin file; ``load`` imports it.

    No code of it has run.
    """

    name: str
    distribution: str
    version: str
    load: Callable[[], Any]
    is_file: bool = False

    @property
    def ours(self) -> bool:
        """Whether it came with otx."""
        return canonical(self.distribution) == OURS

    @property
    def full_name(self) -> str:
        """``distribution:name``, or the path of a plugin file."""
        return self.name if self.is_file else f"{self.distribution}:{self.name}"


def installed() -> list[Installed]:
    """Every installed plugin, ours first, then by name; reads metadata only, and no more of it than it must."""
    found: dict[str, list[Installed]] = {}
    for distribution in metadata.distributions():
        text = distribution.read_text("entry_points.txt") or ""
        if f"[{GROUP}]" in text:
            name = str(distribution.metadata["Name"] or "unnamed")
            # A second copy further down the path is shadowed, as it is for import.
            found.setdefault(canonical(name), list(_announced(distribution, name)))
    plugins = [plugin for several in found.values() for plugin in several]
    return sorted(plugins, key=lambda p: (not p.ours, p.name, p.distribution))


def given_files() -> list[Installed]:
    """Return the plugin files that ``--plugin`` gives, in their order."""
    return [
        Installed(path, path, _version(path), partial(load_file, path), is_file=True)
        for path in plugin_files()
    ]


def _version(path: str) -> str:
    try:
        return file_version(path)
    except DataError:
        # Loading it fails in the same way, and is recorded as a failure of this plugin alone.
        return ""


def _announced(distribution: metadata.Distribution, owner: str) -> Iterator[Installed]:
    version = str(distribution.metadata["Version"] or "")
    try:
        points = distribution.entry_points.select(group=GROUP)
    except Exception as error:
        message = f"its entry_points.txt is damaged: {error}"

        def refuse() -> Any:
            raise PluginError(message, "install the distribution again")

        yield Installed(owner, owner, version, refuse)
        return
    for point in points:
        yield Installed(point.name, owner, version, point.load)


def find_installed(name: str, among: Iterable[Installed]) -> Installed:
    """The plugin that ``name`` or ``distribution:name`` stands for. Raises UsageError for none and for several."""
    plugins = list(among)
    found = [plugin for plugin in plugins if name in (plugin.name, plugin.full_name)]
    if not found:
        known = {plugin.name for plugin in plugins if not plugin.ours}
        raise UsageError(f"no plugin '{name}' is installed", remedy(name, known))
    if len(found) > 1:
        both = " or ".join(plugin.full_name for plugin in found)
        raise UsageError(f"several plugins are named '{name}'", f"write {both}")
    return found[0]
