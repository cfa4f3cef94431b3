"""What is said of plugins that are not loaded where a name is unknown."""

from __future__ import annotations

import pytest

from otx.plugin_host.absent import Absent, absence_hint

PULL = Absent("shift", "otx-pull", "disabled", "otx plugins enable shift")
PUSH = Absent("push", "other", "failed", "see otx doctor")


@pytest.mark.parametrize(
    "name", ["shift", "pull", "otx-pull", "Otx_Pull:shift", "otx.pull:anything"]
)
def test_a_plugin_or_distribution_of_the_name_is_named_with_its_remedy(name: str) -> None:
    hint = absence_hint(name, [PUSH, PULL])
    assert hint == "plugin 'shift' (otx-pull) is disabled: otx plugins enable shift"


def test_otherwise_every_plugin_that_is_not_loaded_may_bring_it() -> None:
    hint = absence_hint("unheard", [PUSH, PULL])
    assert hint is not None and "push (failed)" in hint and "shift (disabled)" in hint
    many = absence_hint("unheard", [PULL] * 5)
    assert many is not None and "and 2 more" in many


def test_nothing_is_said_where_every_plugin_is_loaded() -> None:
    assert absence_hint("unheard", []) is None
