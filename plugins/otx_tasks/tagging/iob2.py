"""Find the entities in IOB2 tags as conlleval does."""

from __future__ import annotations

from collections.abc import Sequence

OUTSIDE = "O"

Entity = tuple[str, int, int]
"""Type, first word and last word."""


def entities(tags: Sequence[str]) -> set[Entity]:
    """Return the entities of a sentence.

    An ``I-X`` continues an entity of type X before it; after anything else it begins one, as conlleval and seqeval
    read the output of a tagger.

    Args:
        tags: IOB2 tags of the words.

    Returns:
        Type, first word and last word of each entity.

    Example:
        >>> sorted(entities(["B-PER", "I-PER", "O", "I-LOC"]))
        [('LOC', 3, 3), ('PER', 0, 1)]
    """
    spans: set[Entity] = set()
    kind, start = "", 0
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, _, tag_kind = tag.partition("-")
        if kind and (prefix != "I" or tag_kind != kind):
            spans.add((kind, start, place - 1))
            kind = ""
        if prefix in ("B", "I") and not kind:
            kind, start = tag_kind, place
    return spans
