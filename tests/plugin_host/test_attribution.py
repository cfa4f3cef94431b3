"""What fails in a plugin's object names it; what is nobody's fault passes; otherwise nothing is different."""

from __future__ import annotations

import abc
import copy
import errno
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, ClassVar

import click
import pytest
import torch
from torch import nn

from otx.errors import DataError, PluginError
from otx.interfaces import Corpus
from otx.plugin_host.attribution import Owner, attributed, make, owner_of
from otx.types import Needs

OWNER = Owner("corpus", "bad", "pytest", f"{__name__}:Plain")
BOTH = ["one", "two"]


class Plain:
    name = source_language = pivot_language = "x"
    pretokenised = False

    def __len__(self) -> int:
        return len(BOTH)

    def __getitem__(self, index: int) -> Any:
        return BOTH[index]

    def fingerprint(self) -> str:
        raise ValueError("no luck")

    def problems(self) -> Any:
        yield 1
        raise ValueError("late")

    def links(self) -> Any:
        return None


class Abstract(Plain, abc.ABC):
    pass


class AbstractFirst(abc.ABC):  # noqa: B024
    """A base whose instances have their dictionary on top of ``abc.ABC``, not of object."""

    name = source_language = pivot_language = "x"
    pretokenised = False
    __len__, __getitem__ = Plain.__len__, Plain.__getitem__
    fingerprint, problems, links = Plain.fingerprint, Plain.problems, Plain.links


class Declared(Plain, Corpus):
    pass


class Inherits(Corpus):
    name = source_language = pivot_language = "x"
    __len__, __getitem__ = Plain.__len__, Plain.__getitem__
    fingerprint, problems = Plain.fingerprint, Plain.problems


class OnlyAbstract(abc.ABC):  # noqa: B024
    name = source_language = pivot_language = "x"
    __len__, __getitem__ = Plain.__len__, Plain.__getitem__
    fingerprint, problems = Plain.fingerprint, Plain.problems


@dataclass(frozen=True)
class Frozen(Plain):
    more: int = 1


@dataclass(frozen=True, slots=True)
class Slotted:
    name: str = "x"
    source_language: str = "x"
    pivot_language: str = "x"
    pretokenised: bool = False

    __len__, __getitem__ = Plain.__len__, Plain.__getitem__
    fingerprint, problems, links = Plain.fingerprint, Plain.problems, Plain.links


class Registering(Plain):
    """A class that keeps a list of its subclasses, and asks each for a name."""

    known: ClassVar[list[str]] = []

    def __init_subclass__(cls, *, called: str) -> None:
        cls.known.append(called)


def opened(kind: Callable[[], Any], owner: Owner = OWNER) -> Any:
    (corpus,) = make(owner, lambda: [kind()])
    return corpus


@pytest.mark.parametrize(
    "kind",
    [
        Plain,
        Abstract,
        AbstractFirst,
        Declared,
        Inherits,
        OnlyAbstract,
        Frozen,
        Slotted,
        Registering,
    ],
)
def test_an_exception_in_a_method_names_the_object_and_the_line(kind: Any) -> None:
    corpus = opened(kind)
    with pytest.raises(PluginError) as caught:
        corpus.fingerprint()
    expected = (
        f"corpus 'bad' of pytest {version('pytest')}: ValueError: no luck (test_attribution.py:"
    )
    assert caught.value.message.startswith(expected)
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(PluginError, match="ValueError: late"):
        list(corpus.problems())


@pytest.mark.parametrize("kind", [Plain, Inherits, OnlyAbstract, Frozen, Slotted, Registering])
def test_nothing_else_about_the_object_changes(kind: Any) -> None:
    corpus = opened(kind)
    assert isinstance(corpus, kind) and corpus.links() is None
    names = [(one.__module__, one.__qualname__) for one in (type(corpus), kind)]
    assert names[0] == names[1]
    assert list(corpus) == BOTH and owner_of(copy.deepcopy(corpus)) == OWNER
    assert owner_of(kind()) is None and Registering.known == []


def test_an_object_that_is_given_again_is_named_by_who_gave_it_last() -> None:
    one = Plain()
    other = Owner("corpus", "other")
    assert opened(lambda: one) is opened(lambda: one)
    opened(lambda: one, other)
    with pytest.raises(PluginError, match=r"^corpus 'other': "):
        one.fingerprint()
    assert owner_of(one) == other


class Bare:
    """A corpus of another class, without the members that have a default."""

    name = source_language = pivot_language = "x"

    def __init__(self, pretokenised: bool | None = None) -> None:
        if pretokenised is not None:
            self.pretokenised = pretokenised

    __len__, __getitem__ = Plain.__len__, Plain.__getitem__
    fingerprint = Plain.fingerprint


class Delegates:
    """A corpus that takes every other member from another."""

    def __init__(self, other: Any) -> None:
        self.other = other

    def __getattr__(self, name: str) -> Any:
        return getattr(self.other, name)

    def __len__(self) -> int:
        return len(self.other)

    def __getitem__(self, index: int) -> Any:
        return self.other[index]


class Lacking(Corpus):
    name = source_language = pivot_language = "x"

    def __len__(self) -> int:
        return 0

    def __getitem__(self, index: int) -> Any:
        raise IndexError


def test_members_with_a_default_may_be_left_out() -> None:
    corpus = opened(Bare)
    assert (corpus.pretokenised, corpus.gold, corpus.links()) == (False, None, None)
    assert list(corpus.problems()) == []
    with pytest.raises(PluginError, match="no luck"):
        corpus.fingerprint()
    assert opened(lambda: Bare(True)).pretokenised is True
    assert copy.deepcopy(corpus).gold is None
    opened(lambda: corpus, Owner("corpus", "other"))
    assert corpus.gold is None and list(corpus) == BOTH


def test_a_default_hides_no_member_of_the_object_itself() -> None:
    other = Slotted(pretokenised=True)
    corpus = opened(lambda: Delegates(other))
    assert corpus.pretokenised is True and corpus.gold is None
    with pytest.raises(ValueError, match="late"):
        list(corpus.problems())


def test_what_inherits_must_implement_the_abstract_methods() -> None:
    with pytest.raises(PluginError, match=r"abstract method '?fingerprint"):
        opened(Lacking)  # type: ignore[type-abstract]


class OutOfRange(Plain):
    def __getitem__(self, index: int) -> Any:
        return BOTH[index] if index != 1 else [][index]


def test_an_index_error_is_the_end_only_beyond_the_end() -> None:
    corpus = opened(OutOfRange)
    with pytest.raises(IndexError):
        corpus[2]
    with pytest.raises(PluginError, match="IndexError"):
        corpus[1]


@pytest.mark.parametrize(
    "error",
    [
        DataError("no file"),
        KeyboardInterrupt(),
        MemoryError(),
        torch.OutOfMemoryError("of the GPU"),
        OSError(errno.ENOSPC, "no space left"),
        click.UsageError("not so"),
    ],
)
def test_what_is_no_fault_of_a_plugin_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, attributed(OWNER):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SystemExit(3), "it called sys.exit(3)"),
        (FileNotFoundError(2, "No such file", "x.txt"), "FileNotFoundError: [Errno 2]"),
        (RuntimeError("a\nb"), "RuntimeError: a b"),
        (AssertionError(), "AssertionError"),
        (StopIteration("x"), "StopIteration: x"),
        (ValueError("x" * 100_000), "ValueError: xxx"),
    ],
)
def test_everything_else_is_laid_at_its_door_in_one_short_line(
    error: BaseException, text: str
) -> None:
    with pytest.raises(PluginError) as caught, attributed(OWNER):
        raise error
    message = caught.value.message
    assert message.startswith(f"{OWNER}: {text}") and len(message) < 400 and "\n" not in message


def test_without_an_owner_everything_passes() -> None:
    with pytest.raises(ZeroDivisionError), attributed(None):
        raise ZeroDivisionError


class Half(nn.Module):
    needs = Needs()

    def forward(self, pair: Any) -> Any:
        raise ValueError


@pytest.mark.parametrize(
    ("kind", "target", "complaint"),
    [
        ("objective", Half, "Half has no scope"),
        (
            "encoder",
            object,
            "object has no collate, digest, dimension, encode, layers, max_length, module, reference, "
            r"save, tokenise, tokenizer \(",
        ),
        ("task", lambda: None, "NoneType has no info"),
        ("corpus", lambda: [None], "NoneType has no __getitem__"),
        ("corpus", lambda: None, "TypeError: 'NoneType' object is not iterable"),
        ("objective", lambda: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_target_that_gives_something_else_is_named(
    kind: str, target: Any, complaint: str
) -> None:
    with pytest.raises(PluginError, match=f"^{kind} 'odd' of nowhere: {complaint}"):
        make(Owner(kind, "odd", "nowhere"), target)


def test_a_module_is_watched_with_its_hooks_and_its_state() -> None:
    class Works(nn.Module):
        needs, scope = Needs(), "batch"

        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, states: Any) -> Any:
            return self.linear(states)

    plain = Works()
    module = make(Owner("objective", "works"), lambda: copy.deepcopy(plain))
    seen: list[Any] = []
    module.register_forward_hook(lambda *arguments: seen.append(arguments))
    states = torch.ones(3, 2)
    assert torch.equal(module(states), plain(states)) and len(seen) == 1
    assert module.state_dict().keys() == plain.state_dict().keys()
    with pytest.raises(PluginError, match=r"^objective 'works': TypeError"):
        module(None)
