"""Entities out of IOB2 tags, as conlleval finds them."""

from __future__ import annotations

from collections.abc import Sequence

OUTSIDE = "O"

Entity = tuple[str, int, int]
"""Type, first word and last word."""


def entities(tags: Sequence[str]) -> set[Entity]:
    """The entities of a sentence.

    An ``I-X`` goes on with an entity of type X before it; behind anything else it begins one, as conlleval and seqeval
    read what a tagger made.
    """
    found: set[Entity] = set()
    kind, start = "", 0
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, _, own = tag.partition("-")
        if kind and (prefix != "I" or own != kind):
            found.add((kind, start, place - 1))
            kind = ""
        if prefix in ("B", "I") and not kind:
            kind, start = own, place
    return found
