"""How many examples a hypothesis test draws."""

from __future__ import annotations

from typing import Any

from hypothesis import settings


def examples(count: int, **options: Any) -> settings:
    """Return settings that draw a number of examples in proportion to the profile.

    A number given to ``settings`` would hold in every profile, so that ``make fuzz`` drew no more than ``make test``.

    Args:
        count: Number of examples where the profile draws 100.
        **options: Other settings of hypothesis.
    """
    return settings(max_examples=max(1, count * settings().max_examples // 100), **options)
