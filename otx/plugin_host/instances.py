"""Objectives that a Python user made, registered for one session under a name of their class."""

from __future__ import annotations

import copy
import dataclasses
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from otx.config.option_tables import OptionSource, OptionTables
from otx.config.roles import digested_options
from otx.plugin_host.registry import Entry, Registry

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class InstanceEntry(Entry):
    """A registered name that stands for one object instead of a class.

    Attributes:
        instance: The object; every run gets a copy of it.
    """

    instance: Any = None

    def load(self) -> Callable[..., Any]:
        """Return a function that ignores options and dimension, and returns a copy of the instance."""
        return lambda *_: copy.deepcopy(self.instance)

    def read_options(self, options: OptionSource) -> Any:
        """Return the instance's own options; it was made with them, so no settings table changes them."""
        return options_of(self.instance)


def instance_records(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return name, class, version and options of each entry that stands for an instance, as a run records them.

    Args:
        entries: Entries of any kind.
    """
    return [
        {
            "name": entry.name,
            "class": entry.target,
            "version": entry.version,
            "options": digested_options(entry.read_options(OptionTables())),
        }
        for entry in entries
        if isinstance(entry, InstanceEntry)
    ]


def options_of(instance: Any) -> Any:
    """Return an objective's ``options`` if they are a dataclass, otherwise None.

    Args:
        instance: The objective.
    """
    options = getattr(instance, "options", None)
    is_options = dataclasses.is_dataclass(options) and not isinstance(options, type)
    return options if is_options else None


def register_instance(registry: Registry, instance: Any) -> str:
    """Register an objective instance and return its name: that of its class, in kebab case.

    Args:
        registry: Receives the entry. A name that is taken gets the ending ``-instance``, and a number after that.
        instance: An objective.

    Returns:
        The name, which settings and records use.
    """
    kind = type(instance)
    stem = _WORD.sub("-", kind.__name__).lower().strip("_").replace("_", "-")
    names = [stem, f"{stem}-instance", *(f"{stem}-instance-{number}" for number in range(2, 100))]
    name = next(name for name in names if name not in registry.names())
    options = options_of(instance)
    distribution, version = _distribution(kind.__module__.partition(".")[0])
    entry = InstanceEntry(
        kind="objective",
        name=name,
        target=f"{kind.__module__}:{kind.__qualname__}",
        summary="an instance given from Python",
        registered_options=None if options is None else type(options),
        distribution=distribution,
        version=version,
        instance=instance,
    )
    registry.add(entry)
    return name


def _distribution(package: str) -> tuple[str, str]:
    """Return the distribution and version that a top-level package belongs to; a script has none."""
    from importlib import metadata

    names = metadata.packages_distributions().get(package, [])
    if names:
        return names[0], metadata.version(names[0])
    return package, str(getattr(sys.modules.get(package), "__version__", ""))
