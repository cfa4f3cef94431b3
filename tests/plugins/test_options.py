"""The options of everything that ships: registered by target, allowed and documented."""

from __future__ import annotations

import dataclasses

import pytest

from otx.config.schema import PluginSettings
from otx.config.validation import field_docs
from otx.plugin_host.host import PluginHost
from otx.plugin_host.option_checks import check_options
from otx.plugin_host.registry import KINDS, Entry


def _entries() -> list[Entry]:
    host = PluginHost(PluginSettings())
    host.load()
    entries = (entry for kind in KINDS for entry in host.registry.entries(kind))
    return [entry for entry in entries if entry.distribution == "otx" and entry.registered_options]


ENTRIES = _entries()


def test_most_of_what_ships_has_options() -> None:
    assert len(ENTRIES) > 40


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.name for entry in ENTRIES])
def test_options_are_registered_by_target_and_follow_the_rules(entry: Entry) -> None:
    # A listing imports no module of this name: see tests/cli/test_startup.py.
    assert isinstance(entry.registered_options, str)
    assert entry.registered_options.partition(":")[0].endswith(".options")
    options = entry.options
    assert options is not None
    check_options(options)
    assert set(field_docs(options)) == {field.name for field in dataclasses.fields(options)}
