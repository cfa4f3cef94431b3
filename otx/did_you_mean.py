"""Suggest the known name nearest to a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most similar to a name, or None if none is similar.

    Args:
        name: The misspelt name.
        known: The known names; case does not matter.

    Example:
        >>> nearest("sinkhron", ["l2", "sinkhorn"])
        'sinkhorn'
    """
    from difflib import get_close_matches

    folded = {candidate.casefold(): candidate for candidate in known}
    similar = get_close_matches(name.casefold(), folded, n=1)
    return folded[similar[0]] if similar else None


def remedy(name: str, known: Iterable[str]) -> str:
    """Return a remedy for an unknown name: the nearest known one, or else all of them.

    Args:
        name: The unknown name.
        known: The known names.

    Example:
        >>> remedy("sinkhron", ["l2", "sinkhorn"])
        "did you mean 'sinkhorn'?"
        >>> remedy("x", [])
        'there are none'
    """
    names = sorted(known)
    near = nearest(name, names)
    if near is not None:
        return f"did you mean '{near}'?"
    return f"there are: {', '.join(names)}" if names else "there are none"
