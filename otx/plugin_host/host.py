"""The plugin host: finds plugins by their metadata, loads and calls them one by one, and survives their failures.

otx's own plugins use the same entry points and hooks as any other. Disabling, ``OTX_PLUGINS`` and ``--no-plugins``
apply to the others only.
"""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from otx import hookspecs
from otx.config.objective_term import parse_term
from otx.config.schema import SECTIONS
from otx.did_you_mean import nearest, remedy
from otx.errors import PluginError, UsageError
from otx.plugin_host.absent import Absent
from otx.plugin_host.api_level import REMEDY, api_1_reason, outdated
from otx.plugin_host.discovery import GROUP, Installed, given_files, installed
from otx.plugin_host.isolation import OutOfPatience, guarded
from otx.plugin_host.read_only import read_only
from otx.plugin_host.registry import Registry
from otx.plugin_host.variables import ONLY, STRICT
from otx.printable import error_text

if TYPE_CHECKING:
    from otx.config.option_tables import OptionTables
    from otx.config.schema import PluginSettings
    from otx.config.settings import Settings

DISABLED = "disabled in otx.toml"
"""Reason in the record of a plugin that otx.toml disables."""

Status = Literal["loaded", "failed", "disabled"]


@dataclass(frozen=True, slots=True)
class PluginRecord:
    """The result of loading one plugin.

    Attributes:
        name: Name of the plugin, or the path of a plugin file.
        distribution: Its distribution, or the path of a plugin file.
        version: Version of the distribution, or the beginning of the file's digest.
        status: ``loaded``, ``failed`` or ``disabled``.
        hooks: Names of the hooks that it implements.
        milliseconds: Time to load it.
        error: Reason of the status in one line; None for a plugin that is loaded.
        trace: Traceback of a failure.
        is_file: True for a plugin file.
    """

    name: str
    distribution: str
    version: str
    status: Status
    hooks: tuple[str, ...] = ()
    milliseconds: float = 0.0
    error: str | None = None
    trace: str | None = None
    is_file: bool = False


class PluginHost:
    """Loads plugins and calls their hooks.

    Args:
        settings: Disabled plugins, and preferred distributions.

    Attributes:
        registry: The names that plugins registered; filled by ``load``.
        records: The result of loading each plugin; filled by ``load``.
    """

    def __init__(self, settings: PluginSettings) -> None:
        self.registry = Registry(prefer=settings.prefer)
        self.records: list[PluginRecord] = []
        self._disabled = settings.disabled
        self._manager = pluggy.PluginManager(GROUP)
        self._manager.add_hookspecs(hookspecs)
        self._silenced: set[str] = set()

    def load(self) -> None:
        """Load every plugin that is not disabled. A failure is recorded, and the next plugin is loaded."""
        only = os.environ.get(ONLY)
        selected = (
            None if only is None else [name.strip() for name in only.split(",") if name.strip()]
        )
        plugins = installed()
        owners: dict[str, str] = {}
        for plugin in plugins:
            if not plugin.ours and (reason := self._reason_to_skip(plugin, selected)):
                self.records.append(_record(plugin, "disabled", error=reason))
            else:
                self.records.append(self._admit(plugin, owners))
        for name in selected or []:
            if not any(name in (plugin.name, plugin.full_name) for plugin in plugins):
                error = f"{ONLY} names it, but it is not installed"
                self.records.append(PluginRecord(name, "", "", "failed", error=error))
        # A file is named explicitly: settings that skip installed plugins do not apply to it.
        self.records += [self._admit(plugin, owners) for plugin in given_files()]
        for record in self.records:
            if record.status != "loaded":
                self.registry.add_absent(self._absent(record))

    @property
    def failed(self) -> list[PluginRecord]:
        """The records of plugins that failed."""
        return [record for record in self.records if record.status == "failed"]

    def observers(self) -> list[tuple[str, str, str]]:
        """Return name, distribution and version of every plugin that implements an observer hook."""
        return [
            (record.name, record.distribution, record.version)
            for record in self.records
            if record.status == "loaded" and set(record.hooks) - {"otx_register"}
        ]

    def notify(self, hook: str, **arguments: Any) -> list[str]:
        """Call an observer hook of every plugin.

        A plugin that does not return within ``PATIENCE`` seconds is not called again. A KeyboardInterrupt counts as a
        failure, too; a caller whose work a signal stops must check its ``StopSignals`` afterwards.

        Args:
            hook: Name of the hook.
            arguments: Its arguments; every plugin receives the same read-only copies.

        Returns:
            One line for each failure.
        """
        failures = []
        given = read_only(arguments)
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            name, module = implementation.plugin_name, implementation.plugin
            if name in self._silenced:
                continue
            try:
                with guarded():
                    self._alone(module, hook)(**given)
            except (Exception, SystemExit, KeyboardInterrupt, OutOfPatience) as error:
                failures.append(f"plugin {name}, {hook}: {_in_words(error)}")
                if isinstance(error, OutOfPatience):
                    self._silenced.add(name)
        return failures

    def check_names(self, objectives: Sequence[str], options: OptionTables) -> None:
        """Refuse an unknown objective, and an option that its objective, encoder, corpus or task does not take.

        Args:
            objectives: Terms such as ``0.5*tlm``.
            options: The tables of otx.toml that do not belong to otx.

        Raises:
            UsageError: Naming the objective or the option, and the nearest known one.
        """
        for text in objectives:
            self.registry.find("objective", parse_term(text).name)
        for name in options.tables:
            owners = self.registry.owners(name)
            # Which owner of a contested name is meant is settled when the name is used.
            if len(owners) == 1:
                owners[0].read_options(options)

    def check_tables(self, options: OptionTables) -> None:
        """Refuse a table of options whose name nothing has registered.

        If a plugin is not loaded, a name that resembles no other may be that plugin's, and is accepted.

        Args:
            options: The tables of otx.toml that do not belong to otx.

        Raises:
            UsageError: Naming the table, where it was set, and the nearest known name.
        """
        known = self.registry.names() | set(SECTIONS)
        complete = all(record.status == "loaded" for record in self.records)
        for name, table in options.tables.items():
            if name not in known and (complete or nearest(name, known)):
                origin = next((options.origin(f"{name}.{key}") for key in table), "settings")
                hint, advice = self.registry.absence_hint(name), remedy(name, known)
                raise UsageError(
                    f"{origin}: unknown table [{name}]", f"{advice} {hint}" if hint else advice
                )

    def _reason_to_skip(self, plugin: Installed, selected: list[str] | None) -> str | None:
        names = (plugin.name, plugin.full_name)
        if any(name in names for name in self._disabled):
            return DISABLED
        if selected is not None and not any(name in names for name in selected):
            return f"left out by --no-plugins or {ONLY}"
        return None

    def _absent(self, record: PluginRecord) -> Absent:
        names = (record.name, f"{record.distribution}:{record.name}")
        if record.status == "failed":
            state, advice = "failed", "see otx doctor"
        elif record.error == DISABLED:
            # The name as it is written in otx.toml, because that is what `enable` removes.
            written = next(name for name in self._disabled if name in names)
            state, advice = "disabled", f"otx plugins enable {written}"
        else:
            state, advice = "left out", f"drop --no-plugins and {ONLY}"
        return Absent(record.name, record.distribution, state, advice)

    def _admit(self, plugin: Installed, owners: dict[str, str]) -> PluginRecord:
        began = time.perf_counter()
        try:
            with guarded():
                owner = owners.setdefault(plugin.name, plugin.distribution)
                if owner != plugin.distribution:
                    raise PluginError(
                        f"{owner} and {plugin.distribution} both have a plugin named '{plugin.name}'",
                        f"otx plugins disable {owner}:{plugin.name}, or remove one of them",
                    )
                module = plugin.load()
                hooks = self._register(plugin, module)
        except (Exception, SystemExit, OutOfPatience) as error:
            reason = api_1_reason(error)
            shown = PluginError(outdated(reason), REMEDY) if reason else error
            return _record(
                plugin, "failed", began=began, error=_in_words(shown), trace=_trace(error)
            )
        return _record(plugin, "loaded", began=began, hooks=hooks)

    def _register(self, plugin: Installed, module: Any) -> tuple[str, ...]:
        """Register a plugin completely or not at all: its names are kept apart until all of them are registered."""
        manager = self._manager
        if manager.is_registered(module) or manager.has_plugin(plugin.full_name):
            raise PluginError("another plugin is the same module, or has its full name")
        staged = Registry(plugin.distribution, version=plugin.version)
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
        """Return a caller of a hook of this plugin only: in a common call, one that raises would stop the others."""
        others = [other for other in self._manager.get_plugins() if other is not module]
        return self._manager.subset_hook_caller(hook, others)

    def _known_hooks(self, module: Any) -> tuple[str, ...]:
        """Return the hooks that this otx calls; an unknown one must be marked ``optionalhook=True``."""
        callers = self._manager.get_hookcallers(module) or []
        specified = {name for name in vars(hookspecs) if name.startswith("otx_")}
        for caller in callers:
            mine = [one for one in caller.get_hookimpls() if one.plugin is module]
            if not caller.has_spec() and not all(one.optionalhook for one in mine):
                raise PluginError(f"unknown hook '{caller.name}'", remedy(caller.name, specified))
        if not callers:
            raise PluginError("it implements no hook", "mark its functions with @otx.hookimpl")
        return tuple(sorted(caller.name for caller in callers if caller.has_spec()))


def host(settings: Settings) -> PluginHost:
    """Load the plugins, and check that every table of the settings belongs to otx or to a registered name.

    Args:
        settings: The settings.

    Raises:
        UsageError: For a table whose name nothing has registered.
        PluginError: For a plugin file that failed or, if ``OTX_PLUGINS_STRICT`` is set, for any plugin that failed.
    """
    loaded = PluginHost(settings.plugins)
    loaded.load()
    strict = os.environ.get(STRICT, "0") not in ("", "0")
    for record in loaded.failed:
        if record.is_file:
            raise PluginError(
                f"plugin {record.name} failed: {record.error}",
                f"see otx doctor --plugin {record.name}",
            )
        if strict:
            raise PluginError(
                f"plugin {record.name} ({record.distribution}) failed: {record.error}"
            )
    loaded.check_tables(settings.option_tables)
    return loaded


def _record(
    plugin: Installed,
    status: Status,
    *,
    began: float | None = None,
    hooks: tuple[str, ...] = (),
    error: str | None = None,
    trace: str | None = None,
) -> PluginRecord:
    return PluginRecord(
        name=plugin.name,
        distribution=plugin.distribution,
        version=plugin.version,
        status=status,
        hooks=hooks,
        milliseconds=0.0 if began is None else 1000 * (time.perf_counter() - began),
        error=error,
        trace=trace,
        is_file=plugin.is_file,
    )


def _in_words(error: BaseException) -> str:
    if isinstance(error, PluginError | OutOfPatience):
        return " ".join(str(error).split())
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    if isinstance(error, pluggy.PluginValidationError):
        # The first sentence names the argument; the rest is a list of file names.
        text = inspect.cleandoc(str(error)).split("\n")[-1].strip()
        return f"{type(error).__name__}: {text}"
    return error_text(error)


def _trace(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error))
