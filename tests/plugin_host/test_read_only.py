"""What several plugins see, none of them can alter."""

from __future__ import annotations

import json

import pytest

from otx.plugin_host.read_only import read_only


def test_a_copy_is_read_only_at_every_depth_and_apart_from_the_original() -> None:
    original = {"a": [1, {"b": [2]}], "c": {"d": {3}}}
    copy = read_only(original)
    with pytest.raises(TypeError):
        copy["x"] = 1
    with pytest.raises(TypeError):
        copy["a"][1]["b"] = 1
    assert copy["a"][1]["b"] == (2,) and copy["c"]["d"] == frozenset({3})
    original["a"].append(4)  # type: ignore[attr-defined]
    assert len(copy["a"]) == 2


def test_json_writes_a_copy_with_dict_as_its_default() -> None:
    assert json.loads(json.dumps(read_only({"a": [{"b": 1}]}), default=dict)) == {"a": [{"b": 1}]}
