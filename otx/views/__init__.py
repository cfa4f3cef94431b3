"""Views: the parts of a batch that an objective can read, one file each, listed in the table ``VIEWS``.

An objective declares the views it reads and finds them in its batch::

    from otx.views import Links, States

    class Mine(nn.Module):
        views = {States(layer=-1), Links()}
        scope = "mean"

        def forward(self, pair):
            vectors, mask = pair.source.words(layer=-1)
            links = pair[Links]

The engine computes each distinct view once per batch, whichever objectives read it, in the order of the table. Views of
several objectives are united. To add a view, write its class in a file here and name it in ``VIEWS``.

Importing this package does not import torch.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from otx.interfaces import View
from otx.views.context import (
    FakeBatch,
    HiddenStates,
    PairBatch,
    Pass,
    ViewContext,
    ViewMaker,
)
from otx.views.idf import Idf
from otx.views.links import Links
from otx.views.masked import Masked
from otx.views.momentum import Momentum
from otx.views.parameters import Parameters
from otx.views.reference import Reference
from otx.views.states import States
from otx.views.teacher import Teacher
from otx.views.tlm import Tlm

VIEWS: tuple[type[View[Any]], ...] = (
    States,
    Reference,
    Links,
    Idf,
    Masked,
    Tlm,
    Momentum,
    Teacher,
    Parameters,
)
"""Every built-in view. Batches draw their random masks in this order: append new views."""

__all__ = [
    "VIEWS",
    "FakeBatch",
    "HiddenStates",
    "Idf",
    "Links",
    "Masked",
    "Momentum",
    "PairBatch",
    "Parameters",
    "Pass",
    "Reference",
    "States",
    "Teacher",
    "Tlm",
    "View",
    "ViewContext",
    "ViewMaker",
    "by_kind",
]


def by_kind(views: Collection[View[Any]]) -> dict[type[View[Any]], list[View[Any]]]:
    """Group declared views by class.

    Args:
        views: Views of any classes, duplicates included.

    Returns:
        The distinct views of each class, in the order of ``VIEWS``; views of other packages follow, by name.
    """
    order = {kind: number for number, kind in enumerate(VIEWS)}
    distinct = sorted(
        set(views), key=lambda v: (order.get(type(v), len(VIEWS)), type(v).__name__, repr(v))
    )
    groups: dict[type[View[Any]], list[View[Any]]] = {}
    for view in distinct:
        groups.setdefault(type(view), []).append(view)
    return groups
