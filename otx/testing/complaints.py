"""How a check says what it found."""

from __future__ import annotations

from collections.abc import Callable

from otx.errors import PluginError

Passed = Callable[[str], None]
"""Called with the name of each check that passed."""


def ignore(name: str) -> None:
    """Do nothing with the name of a check that passed."""


def require(subject: str, holds: bool, complaint: str) -> None:
    """Raise PluginError with the complaint unless ``holds``; ``subject`` is the kind of object that is checked."""
    if not holds:
        raise fault(subject, complaint)


def fault(subject: str, complaint: str) -> PluginError:
    """Return the error that says which clause an object breaks; ``subject`` is its kind."""
    return PluginError(f"the {subject} breaks its contract: {complaint}", "see otx.interfaces")
