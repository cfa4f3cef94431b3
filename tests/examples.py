"""How many examples a hypothesis test draws."""

from __future__ import annotations

from typing import Any

from hypothesis import settings


def examples(count: int, **options: Any) -> settings:
    """Draw ``count`` examples, or as many times more as the profile draws more than 100.

    A number given to ``settings`` would hold in every profile, so that ``make fuzz`` drew no more than ``make test``.
    """
    return settings(max_examples=count * settings().max_examples // 100, **options)
