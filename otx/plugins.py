"""The plugin host: finds plugins by their metadata, loads and calls them one by one, and lives on when they fail.

Plugins that come with otx arrive by the same entry points and hooks as any other; disabling, ``OTX_PLUGINS`` and
``--no-plugins`` concern the others only.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from otx import hookspecs
from otx.errors import PluginError, UsageError
from otx.guard import OutOfPatience, guarded
from otx.registry import RESERVED, Registry, canonical
from otx.suggest import nearest, remedy

if TYPE_CHECKING:
    from otx.config import Settings
    from otx.sections import PluginSettings

GROUP = "otx"
OURS = "otx"
ONLY, STRICT = "OTX_PLUGINS", "OTX_PLUGINS_STRICT"

Status = Literal["loaded", "failed", "disabled"]


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """What became of one plugin. ``error`` is one line, ``trace`` the whole story; ``hooks`` are those it has."""

    name: str
    distribution: str
    version: str
    status: Status
    hooks: tuple[str, ...] = ()
    milliseconds: float = 0.0
    error: str | None = None
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Installed:
    """A plugin as its distribution's metadata announces it; no code of it has run. ``load`` imports it."""

    name: str
    distribution: str
    version: str
    load: Callable[[], Any]

    @property
    def ours(self) -> bool:
        """Whether it came with otx."""
        return canonical(self.distribution) == OURS

    @property
    def full_name(self) -> str:
        """``distribution:name``."""
        return f"{self.distribution}:{self.name}"


class PluginHost:
    """``registry`` holds what plugins brought, ``records`` what became of each; both are filled by ``load``."""

    def __init__(self, settings: PluginSettings) -> None:
        self.registry = Registry(prefer=settings.prefer)
        self.records: list[PluginRecord] = []
        self._disabled = settings.disabled
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._silenced: set[str] = set()

    def load(self) -> None:
        """Load every plugin that is wanted. Whatever one of them does is recorded, and the next one is loaded."""
        only = os.environ.get(ONLY)
        wanted = (
            None if only is None else [name.strip() for name in only.split(",") if name.strip()]
        )
        found = installed()
        owners: dict[str, str] = {}
        for plugin in found:
            if not plugin.ours and (reason := self._unwanted(plugin, wanted)):
                self.records.append(_record(plugin, "disabled", error=reason))
            else:
                self.records.append(self._admit(plugin, owners))
        for name in wanted or []:
            if not any(name in (plugin.name, plugin.full_name) for plugin in found):
                error = f"{ONLY} names it, but it is not installed"
                self.records.append(PluginRecord(name, "", "", "failed", error=error))

    @property
    def failed(self) -> list[PluginRecord]:
        """The records of plugins that failed."""
        return [record for record in self.records if record.status == "failed"]

    def notify(self, hook: str, **arguments: Any) -> list[str]:
        """Call an observer hook, plugin by plugin, and return what went wrong, one line a failure.

        A plugin that does not come back in ``PATIENCE`` seconds is not called again.
        """
        failures = []
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            name, module = implementation.plugin_name, implementation.plugin
            if name in self._silenced:
                continue
            try:
                with guarded():
                    self._alone(module, hook)(**arguments)
            except (Exception, SystemExit, OutOfPatience) as error:
                failures.append(f"plugin {name}, {hook}: {_in_words(error)}")
                if isinstance(error, OutOfPatience):
                    self._silenced.add(name)
        return failures

    def check_tables(self, settings: Settings) -> None:
        """Refuse a table of options that belongs to nobody: UsageError with the nearest known name.

        Where a plugin is not loaded, a name that resembles no other may be that plugin's, and stands.
        """
        known = self.registry.names() | RESERVED
        complete = all(record.status == "loaded" for record in self.records)
        for name, table in settings.options.items():
            if name not in known and (complete or nearest(name, known)):
                origin = next((settings.origin(f"{name}.{key}") for key in table), "settings")
                raise UsageError(f"{origin}: unknown table [{name}]", remedy(name, known))

    def _unwanted(self, plugin: Installed, wanted: list[str] | None) -> str | None:
        names = (plugin.name, plugin.full_name)
        if any(name in names for name in self._disabled):
            return "disabled in otx.toml"
        if wanted is not None and not any(name in names for name in wanted):
            return f"left out by --no-plugins or {ONLY}"
        return None

    def _admit(self, plugin: Installed, owners: dict[str, str]) -> PluginRecord:
        began = time.perf_counter()
        try:
            with guarded():
                owner = owners.setdefault(plugin.name, plugin.distribution)
                if owner != plugin.distribution:
                    raise PluginError(
                        f"{owner} and {plugin.distribution} both bring a plugin named '{plugin.name}'",
                        f"otx plugins disable {owner}:{plugin.name}, or remove one of them",
                    )
                module = plugin.load()
                hooks = self._register(plugin, module)
        except (Exception, SystemExit, OutOfPatience) as error:
            return _record(plugin, "failed", began, error=_in_words(error), trace=_trace(error))
        return _record(plugin, "loaded", began, hooks)

    def _register(self, plugin: Installed, module: Any) -> tuple[str, ...]:
        """Hook a plugin in, wholly or not at all: what it registers is kept apart until all of it is there."""
        manager = self._manager
        if manager.is_registered(module) or manager.has_plugin(plugin.full_name):
            raise PluginError("another plugin is the same module, or has its full name")
        staged = Registry(plugin.distribution)
        try:
            manager.register(module, plugin.full_name)
            hooks = self._known_hooks(module)
            if "otx_register" in hooks:
                self._alone(module, "otx_register")(registry=staged)
        except BaseException:
            if manager.is_registered(module):
                manager.unregister(module)
            raise
        self.registry.extend(staged)
        return hooks

    def _alone(self, module: Any, hook: str) -> Callable[..., Any]:
        """The hook, calling this plugin only: in a common call one that raises would stop the others."""
        others = [other for other in self._manager.get_plugins() if other is not module]
        return self._manager.subset_hook_caller(hook, others)

    def _known_hooks(self, module: Any) -> tuple[str, ...]:
        callers = self._manager.get_hookcallers(module) or []
        specified = {name for name in vars(hookspecs) if name.startswith("otx_")}
        for caller in callers:
            if not caller.has_spec():
                raise PluginError(f"unknown hook '{caller.name}'", remedy(caller.name, specified))
        if not callers:
            raise PluginError("it implements no hook", "mark its functions with @otx.hookimpl")
        return tuple(sorted(caller.name for caller in callers))


def host(settings: Settings) -> PluginHost:
    """A loaded host whose names agree with the settings' tables.

    Raises UsageError for a table that belongs to nobody, and, where ``OTX_PLUGINS_STRICT`` is set, PluginError for the
    first plugin that failed.
    """
    loaded = PluginHost(settings.plugins)
    loaded.load()
    if os.environ.get(STRICT, "0") not in ("", "0"):
        for record in loaded.failed:
            raise PluginError(
                f"plugin {record.name} ({record.distribution}) failed: {record.error}"
            )
    loaded.check_tables(settings)
    return loaded


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


def _record(
    plugin: Installed,
    status: Status,
    began: float | None = None,
    hooks: tuple[str, ...] = (),
    error: str | None = None,
    trace: str | None = None,
) -> PluginRecord:
    spent = 0.0 if began is None else 1000 * (time.perf_counter() - began)
    return PluginRecord(
        plugin.name, plugin.distribution, plugin.version, status, hooks, spent, error, trace
    )


def _in_words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, PluginError | OutOfPatience):
        return text
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    if isinstance(error, pluggy.PluginValidationError):
        # The first sentence says which argument; the rest is a list of file names.
        text = inspect.cleandoc(str(error)).split("\n")[-1].strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _trace(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))
