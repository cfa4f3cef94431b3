"""Report the outcome of conformance checks."""

from __future__ import annotations

from collections.abc import Callable

from otx.errors import PluginError

Passed = Callable[[str], None]
"""Called with the name of each check that passed."""


def ignore(name: str) -> None:
    """Ignore a check that passed.

    Args:
        name: The check.
    """


def require(subject: str, holds: bool, complaint: str) -> None:
    """Raise the complaint unless a clause holds.

    Args:
        subject: Kind of the object that is checked.
        holds: The clause holds.
        complaint: What is wrong if it does not.

    Raises:
        PluginError: If the clause does not hold.
    """
    if not holds:
        raise fault(subject, complaint)


def fault(subject: str, complaint: str) -> PluginError:
    """Return the error about a broken clause.

    Args:
        subject: Kind of the object that is checked.
        complaint: What is wrong.

    Returns:
        The error, to be raised.
    """
    return PluginError(f"the {subject} breaks its contract: {complaint}", "see otx.interfaces")
