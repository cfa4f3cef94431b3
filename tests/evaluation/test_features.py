"""Features on disk are those that the task makes, made once, found by what they depend on."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from otx.config.roles import OPTIMISATION, PATH
from otx.config.settings import load_settings
from otx.evaluation import features as module
from otx.evaluation.features import build_features
from otx.plugin_host.host import host
from otx.training.factories import open_encoder
from otx.types import Example, TokenRow


@dataclass(frozen=True, slots=True)
class Made:
    example: str
    ids: NDArray[np.int32]
    spans: NDArray[np.int32]
    special: NDArray[np.bool_]
    row: TokenRow
    words: list[int]
    label: tuple[int, int] | None

    @property
    def length(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Options:
    place: str | None = field(default=None, metadata=PATH)
    rate: float = field(default=1.0, metadata=OPTIMISATION)
    batch: int = 2


class Counting:
    """A task with as many features an example as its text has letters, and a label where it has two at least."""

    feature = Made
    info = SimpleNamespace(name="counting", version="1")

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self.asked: list[int] = []

    def features(self, encoder: Any, examples: Sequence[Example]) -> list[Made]:
        self.asked.append(len(examples))
        return [self.made(own, i) for own in examples for i in range(len(own.fields["text"]))]

    def made(self, own: Example, i: int) -> Made:
        size = len(own.fields["text"])
        return Made(
            own.id,
            np.arange(size + i, dtype=np.int32),
            np.arange(2 * size, dtype=np.int32).reshape(-1, 2),
            np.arange(size) % 2 == 0,
            TokenRow([1, i], [-1, 0], 1, 0),
            [i] * i,
            (i, size) if size > 1 else None,
        )


def equal(one: Made, other: Made) -> bool:
    return all(
        np.array_equal(a, b) and a.dtype == b.dtype
        if isinstance(a := getattr(one, name), np.ndarray)
        else a == getattr(other, name)
        for name in Made.__slots__
        for b in [getattr(other, name)]
    )


def encoder(**changes: Any) -> Any:
    backend = SimpleNamespace(to_str=lambda: changes.get("rules", '{"model": 1}'))
    tokenizer = SimpleNamespace(backend_tokenizer=backend)
    return SimpleNamespace(tokenizer=tokenizer, max_length=changes.get("limit", 8))


def examples(*texts: str) -> list[Example]:
    return [Example(f"e{i}", "c", {"text": text}) for i, text in enumerate(texts)]


@given(st.lists(st.text(max_size=4), max_size=7), st.integers(1, 4))
def test_what_comes_back_is_what_was_made(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], at_once: int
) -> None:
    cache, task, own = tmp_path_factory.mktemp("cache"), Counting(), examples(*texts)
    before, module.AT_ONCE = module.AT_ONCE, at_once
    try:
        found = build_features(cast(Any, task), encoder(), own, cache)
    finally:
        module.AT_ONCE = before
    wanted = task.features(None, own)
    assert len(found) == len(wanted) == sum(map(len, texts))
    assert found.lengths.tolist() == [feature.length for feature in wanted]
    assert found.learnable.tolist() == [feature.label is not None for feature in wanted]
    order = list(range(len(wanted)))[::-1]
    for one, other in zip(found.take(order), wanted[::-1], strict=True):
        assert equal(one, other) and type(one.row) is TokenRow
    assert found.take([]) == []
    # No more examples at once than said, and none a second time.
    assert max(task.asked[:-1], default=0) <= at_once
    asked = len(task.asked)
    assert len(build_features(cast(Any, task), encoder(), own, cache)) == len(wanted)
    assert len(task.asked) == asked


def test_only_what_they_depend_on_tells_features_apart(tmp_path: Path) -> None:
    def is_new(task: Counting, which: Any, own: list[Example]) -> bool:
        build_features(cast(Any, task), which, own, tmp_path)
        return bool(task.asked)

    own = examples("ab", "c")
    assert is_new(Counting(), encoder(), own)
    assert not is_new(Counting(rate=3.0, place="elsewhere"), encoder(), own)
    assert is_new(Counting(batch=3), encoder(), own)
    assert is_new(Counting(), encoder(limit=9), own)
    assert is_new(Counting(), encoder(rules='{"model": 2}'), own)
    assert not is_new(Counting(), encoder(rules='{"model": 1, "truncation": {"a": 1}}'), own)
    assert is_new(Counting(), encoder(), own[::-1])
    assert is_new(Counting(), encoder(), [replace(own[0], fields={"text": "ax"}), own[1]])
    other = Counting()
    other.info = SimpleNamespace(name="counting", version="2")
    assert is_new(other, encoder(), own)


CASES = {
    "xnli": {"premise": "A bridge.", "hypothesis": "Eine Brücke.", "label": "neutral"},
    "pos": {"words": ["The", "bridge"], "tags": ["DET", "NOUN"]},
    "xquad": {
        "question": "What?",
        "context": "The bridge over the river is old. " * 40,
        "answers": ["bridge"],
        "starts": [4],
    },
}


@pytest.mark.parametrize("name", CASES)
def test_the_features_of_our_tasks_come_back_whole(name: str, tmp_path: Path) -> None:
    settings = load_settings(start=tmp_path)
    plugins = host(settings)
    entry = plugins.registry.find("task", name)
    task = entry.load()(entry.read_options(settings))
    mini = open_encoder("mini", plugins.registry, settings)
    own = [Example("e", "c", CASES[name])]
    wanted = task.features(mini, own)
    kept = build_features(task, mini, own, tmp_path / "cache")
    found = kept.take(range(len(kept)))
    assert len(found) == len(wanted) > 0
    for one, other in zip(found, wanted, strict=True):
        for name in type(other).__dataclass_fields__:
            a, b = getattr(one, name), getattr(other, name)
            assert type(a) is type(b)
            if isinstance(a, np.ndarray):
                assert a.dtype == b.dtype and a.shape == b.shape and (a == b).all()
            else:
                assert a == b
