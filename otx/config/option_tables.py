"""The tables of otx.toml that belong to plugins, with the origin of every value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from otx.config.validation import fill
from otx.errors import UsageError

DEFAULT = "default"
"""Origin of a value that nothing sets."""


class OptionSource(Protocol):
    """Gives options by name: ``OptionTables``, or the ``Settings`` that hold them."""

    def read_options(self, name: str, kind: type[Any] | None) -> Any:
        """Return the options in the table ``name`` as an instance of ``kind``.

        Args:
            name: Name of the table.
            kind: The plugin's options class; None for a plugin without options.
        """
        ...


@dataclass(frozen=True, slots=True)
class OptionTables:
    """Options of objectives, encoders, corpora and tasks, as they were set.

    This is all that code which opens a plugin's object needs of the settings.

    Attributes:
        tables: Values by table and key. A table has the name of the objective, encoder, corpus or task.
        given: Origin of each dotted key: ``otx.toml:12``, ``recipe wordot``, ``--lr`` or ``--set``.
    """

    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict)

    def origin(self, dotted: str) -> str:
        """Return the origin of a dotted key; ``default`` for one that nothing sets.

        Args:
            dotted: The dotted key.
        """
        return self.given.get(dotted, DEFAULT)

    def read_options(self, name: str, kind: type[Any] | None) -> Any:
        """Return the options of one plugin object, checked and typed.

        Args:
            name: Name of the table.
            kind: The plugin's options class; None for a plugin without options.

        Returns:
            An instance of ``kind``; None for a plugin without options.

        Raises:
            UsageError: For an unknown key (with the nearest known one), a value of a wrong type, or one out of range.
        """
        table = self.tables.get(name, {})
        if kind is not None:
            return fill(kind, table, name, self.origin)
        for key in table:
            dotted = f"{name}.{key}"
            raise UsageError(
                f"{self.origin(dotted)}: unknown setting '{dotted}'", f"{name} has no options"
            )
        return None
