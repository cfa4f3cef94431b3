"""Calls into plugins: what fails inside one names the object, its distribution and version.

``make`` calls a registered target and watches what it gives: an exception that leaves one of the methods of its
contract becomes a PluginError with the original as its cause. Errors of otx's own pass, and so do those that are no
fault of a plugin: a full disk, a full memory, an interrupt.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from types import GeneratorType, MappingProxyType
from typing import Any

from otx import interfaces
from otx.errors import OTXError, PluginError
from otx.types import Metric, TaskInfo

OURS = "otx"
"""The distribution whose plugins come with otx."""
LONGEST = 300
"""Characters of a foreign exception's text that a message shows."""
REMEDY = "tell the plugin's author; --debug shows where it happened"
OUR_REMEDY = "this is a bug of otx; --debug shows where it happened"
HINTS = MappingProxyType({"objective": "views that its needs does not name are None, or empty; "})
"""The usual cause of an exception in an object of this kind."""
_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE)
_OWNER, _PLAIN = "_otx_owner", "_otx_plain"


@dataclass(frozen=True, slots=True)
class Owner:
    """The plugin behind an object: kind and name, the distribution that registered it, and its target."""

    kind: str
    name: str
    distribution: str = ""
    target: str = ""

    def __str__(self) -> str:
        """Return ``objective 'shape' of bad-obj 0.1``."""
        label = f"{self.kind} '{self.name}'"
        if not self.distribution:
            return label
        # Looked up when something failed: reading metadata takes milliseconds.
        with contextlib.suppress(metadata.PackageNotFoundError):
            return f"{label} of {self.distribution} {metadata.version(self.distribution)}"
        return f"{label} of {self.distribution}"

    def fault(self, complaint: str, remedy: str | None = None) -> PluginError:
        """Return the error that says what is wrong with the object."""
        usual = OUR_REMEDY if self.distribution == OURS else REMEDY
        return PluginError(f"{self}: {complaint}", remedy or usual)

    def blame(self, error: BaseException) -> PluginError:
        """Return the error that names the owner, and the line of its code that ``error`` passed."""
        text = " ".join(str(error).split())
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
        if isinstance(error, SystemExit):
            text = f"it called sys.exit({error.code!r})"
        else:
            text = f"{type(error).__name__}: {text}" if text else type(error).__name__
        fault = self.fault(text + self._place(error))
        if self.distribution != OURS:
            fault.remedy = f"{HINTS.get(self.kind, '')}{fault.remedy}"
        return fault

    def _place(self, error: BaseException) -> str:
        """The deepest line of the owner's package in the traceback."""
        package, place, trace = (
            self.target.partition(":")[0].partition(".")[0],
            "",
            error.__traceback__,
        )
        while package and trace is not None:
            if str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] == package:
                place = f" ({Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno})"
            trace = trace.tb_next
        return place


def owner_of(instance: object, default: Owner | None = None) -> Owner | None:
    """Return who answers for an object that ``make`` gave, and ``default`` for any other."""
    owner: Owner | None = getattr(type(instance), _OWNER, default)
    return owner


@contextlib.contextmanager
def attributed(owner: Owner | None) -> Iterator[None]:
    """Turn an exception of the body into a PluginError of the owner; without an owner, let it pass."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if owner is None or _passes(error, owner):
            raise
        raise owner.blame(error) from error


def make(owner: Owner, target: Callable[..., Any], *arguments: Any) -> Any:
    """Call a target and watch what it gives.

    Args:
        owner: Who answers for it. Of the kind ``corpus``, the target gives a list.
        target: The class or function that was registered.
        arguments: What its kind is called with.

    Returns:
        What the target gave: for ``corpus`` a list, otherwise one object.

    Raises:
        PluginError: If the target fails, or what it gives lacks a member of its contract.
    """
    with attributed(owner):
        result = target(*arguments)
        several = list(result) if owner.kind == "corpus" else [result]
    for instance in several:
        with attributed(owner):
            missing = _missing(instance, owner.kind)
        if missing:
            raise owner.fault(
                f"{type(instance).__name__} has no {', '.join(missing)}", "see otx.interfaces"
            )
        _watch(instance, owner)
    return several if owner.kind == "corpus" else result


def attributed_metrics(owner: Owner, info: TaskInfo) -> TaskInfo:
    """Return what a task is with metrics whose exceptions name it."""

    def watched(metric: Metric) -> Metric:
        def compute(sums: Mapping[str, Any]) -> Any:
            with attributed(owner):
                return metric.compute(sums)

        return replace(metric, compute=compute)

    return replace(info, metrics=tuple(map(watched, info.metrics)))


_PROTOCOLS: Mapping[str, tuple[type[Any], ...]] = MappingProxyType(
    {
        "objective": (interfaces.Objective,),
        "encoder": (interfaces.Encoder,),
        "corpus": (interfaces.Corpus,),
        "task": (interfaces.ProbeTask, interfaces.TransferTask),
    }
)
_BASES: Mapping[str, tuple[type[Any], ...]] = MappingProxyType(
    {"task": (interfaces.BaseProbeTask, interfaces.BaseTransferTask)}
)
"""Base classes, whose further members are optional in the contract and watched where an object has them."""
_SPECIAL = ("__call__", "__len__", "__getitem__")


def _calls(protocol: type[Any]) -> set[str]:
    """The methods of a contract, those of its bases included."""
    names = {
        name for base in protocol.__mro__ for name, value in vars(base).items() if callable(value)
    }
    return {
        name
        for name in names
        if not name.startswith("_") or name in vars(protocol).keys() & {*_SPECIAL}
    }


def _missing(instance: Any, kind: str) -> list[str]:
    """Members of the contract that an object lacks; what a task needs depends on its kind."""
    protocol = _PROTOCOLS[kind][0]
    if kind == "task":
        if not hasattr(instance, "info"):
            return ["info"]
        protocol = _PROTOCOLS[kind][instance.info.kind == "transfer"]
    fields = {name for base in protocol.__mro__ for name in getattr(base, "__annotations__", {})}
    names = _calls(protocol) | {name for name in fields if not name.startswith("_")}
    return sorted(name for name in names if not hasattr(instance, name))


def _passes(error: BaseException, owner: Owner) -> bool:
    """Return whether an exception is not the owner's fault, or is handled elsewhere."""
    if isinstance(error, OTXError | MemoryError):
        return True
    if isinstance(error, OSError):
        # Ours leave a file that cannot be opened to the command line, which names it.
        return owner.distribution == OURS or error.errno in _EXHAUSTED
    torch, click = sys.modules.get("torch"), sys.modules.get("click")
    if click is not None and isinstance(error, click.ClickException):
        return True
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def _watch(instance: Any, owner: Owner) -> None:
    """Give an object a class between it and its own, whose methods are attributed."""
    if owner_of(instance) == owner:
        return
    # Watched for another owner before, it is watched for this one alone.
    plain: Any = getattr(type(instance), _PLAIN, type(instance))
    try:
        # Past a frozen dataclass's __setattr__.
        object.__setattr__(instance, "__class__", _watched(plain, owner))
    except TypeError as error:
        raise owner.fault(
            f"its target gives a {type(instance).__name__}",
            "give an instance of a class of your own",
        ) from error


class _Unannounced:
    """A base that keeps ``__init_subclass__`` of a plugin's class from hearing of the watched one."""

    def __init_subclass__(cls, **options: Any) -> None:
        pass


@functools.cache
def _watched(kind: Any, owner: Owner) -> type[Any]:
    """A class that differs from ``kind`` in nothing but attribution; its name is the same, which keys depend on."""
    contracts = (*_PROTOCOLS[owner.kind], *_BASES.get(owner.kind, ()))
    names = set[str]().union(*(_calls(contract) for contract in contracts))
    members: dict[str, Any] = {
        "__slots__": (),
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        _OWNER: owner,
        _PLAIN: kind,
    }
    # An object changes its class only to one of the same layout: an object with slots has none of this base's.
    ordinary = kind.__dictoffset__ and kind.__weakrefoffset__ and _is_dict_added_to_object(kind)
    bases = (_Unannounced, kind) if ordinary else (kind,)
    metaclass: Any = type(kind)
    watched: type[Any] = metaclass(kind.__name__, bases, members)
    for name in names:
        if callable(getattr(kind, name, None)):
            setattr(watched, name, _attributed_method(watched, name, owner))
    return watched


def _is_dict_added_to_object(kind: Any) -> bool:
    """Return whether the first class with a ``__dict__`` derives from object: not so under ``abc.ABC``."""
    while kind.__base__.__dictoffset__:
        kind = kind.__base__
    return kind.__base__ is object


def _attributed_method(watched: type[Any], name: str, owner: Owner) -> Callable[..., Any]:
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        # Not ``attributed``: a generator a call would cost more than the rest of this.
        try:
            result = getattr(super(watched, self), name)(*arguments, **named)
        except (Exception, SystemExit) as error:
            if _passes(error, owner) or _is_past_the_end(self, name, error, arguments):
                raise
            raise owner.blame(error) from error
        return _attributed_items(owner, result) if type(result) is GeneratorType else result

    return functools.wraps(getattr(watched, name))(call)


def _attributed_items(owner: Owner, items: Iterator[Any]) -> Iterator[Any]:
    with attributed(owner):
        yield from items


def _is_past_the_end(instance: Any, name: str, error: BaseException, arguments: Any) -> bool:
    """Return whether an IndexError is the end of a sequence, which ends an iteration."""
    past = name == "__getitem__" and isinstance(error, IndexError)
    return past and not -len(instance) <= arguments[0] < len(instance)
