"""What an objective over the two measures of a batch begins with."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from torch import nn

from otx.types import Scope
from otx.views import View
from otx_transport.measures import views
from otx_transport.options import MeasureOptions

Options = TypeVar("Options", bound=MeasureOptions)


class OverMeasures(nn.Module, Generic[Options]):
    """Keeps the options; the views that it needs and its scope are those of the measures."""

    def __init__(self, options: Options, dimension: int) -> None:
        super().__init__()
        self.options = options
        self.views: frozenset[View[Any]] = views(options)
        self.scope: Scope = "mean" if options.scope == "sentence" else "batch"
