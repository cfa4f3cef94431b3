"""Plugins that are installed but not loaded, and the hint for a name that may be theirs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

SHOWN = 3
"""Number of plugins that a message names; the others are counted."""


@dataclass(frozen=True, slots=True)
class Absent:
    """A plugin that is not loaded.

    Attributes:
        name: The plugin's name.
        distribution: The distribution that brings it.
        state: ``disabled``, ``failed`` or ``left out``.
        remedy: How to load it.
    """

    name: str
    distribution: str
    state: str
    remedy: str


def absence_hint(name: str, absent: Sequence[Absent]) -> str | None:
    """Return a hint to plugins that are not loaded and may register an unknown name.

    What a plugin registers is known only when it runs. So a plugin or distribution of that name is named with its
    remedy; otherwise all that are not loaded are listed.

    Args:
        name: The unknown name, or ``distribution:name``.
        absent: The plugins that are not loaded.

    Returns:
        The hint; None if every plugin is loaded.

    Example:
        >>> absence_hint("pull", [Absent("pull", "otx-pull", "disabled", "otx plugins enable pull")])
        "plugin 'pull' (otx-pull) is disabled: otx plugins enable pull"
    """
    owner, _, bare = name.rpartition(":")
    meant = {canonical(bare), f"otx-{canonical(bare)}"} | ({canonical(owner)} if owner else set())
    likely = [one for one in absent if meant & {canonical(one.name), canonical(one.distribution)}]
    if likely:
        return "; ".join(
            f"plugin '{one.name}' ({one.distribution}) is {one.state}: {one.remedy}"
            for one in likely[:SHOWN]
        )
    if not absent:
        return None
    names = [f"{one.name} ({one.state})" for one in absent[:SHOWN]]
    more = f" and {len(absent) - SHOWN} more" if len(absent) > SHOWN else ""
    return f"a plugin that is not loaded may register it: {', '.join(names)}{more}; see otx plugins list"


def canonical(distribution: str) -> str:
    """Return a distribution's name as package indexes compare it.

    Args:
        distribution: Name of the distribution, as it is written.
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()
