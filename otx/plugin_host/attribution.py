"""Attribution of failures in plugins: an error names the object, its distribution and version.

``make`` calls a registered target and wraps the object that it returns: an exception that leaves a method of its
interface becomes a PluginError with the original as its cause. otx's own errors pass unchanged, and so do errors that
are not the plugin's fault: a full disk, a full memory, an interrupt.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import GeneratorType, MappingProxyType
from typing import Any

from otx import interfaces
from otx.errors import OTXError, PluginError
from otx.plugin_host.api_level import REMEDY as API_REMEDY
from otx.plugin_host.api_level import api_1_reason, outdated
from otx.printable import error_text, shorten
from otx.types import Metric, TaskInfo

OURS = "otx"
"""The distribution whose plugins come with otx."""
LONGEST = 300
"""Maximum length of a foreign exception's text in a message, in characters."""
REMEDY = "tell the plugin's author; --debug shows where it happened"
OUR_REMEDY = "this is a bug of otx; --debug shows where it happened"
HINTS = MappingProxyType(
    {"objective": "its batch has the views and layers that its views declare; "}
)
"""Usual cause of an exception in an object of each kind."""
_EXHAUSTED = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE)
_OWNER, _PLAIN, _FILLED = "_otx_owner", "_otx_plain", "_otx_filled"


@dataclass(frozen=True, slots=True)
class Owner:
    """The plugin behind an object.

    Attributes:
        kind: Kind of the object: objective, encoder, corpus or task.
        name: Its registered name.
        distribution: Distribution that registered it.
        target: Its class or function, ``package.module:Name``.
    """

    kind: str
    name: str
    distribution: str = ""
    target: str = ""

    def __str__(self) -> str:
        """Return ``objective 'shape' of bad-obj 0.1``."""
        label = f"{self.kind} '{self.name}'"
        if not self.distribution:
            return label
        # Looked up only when something failed: reading metadata takes milliseconds.
        from importlib import metadata

        with contextlib.suppress(metadata.PackageNotFoundError):
            return f"{label} of {self.distribution} {metadata.version(self.distribution)}"
        return f"{label} of {self.distribution}"

    def fault(self, complaint: str, remedy: str | None = None) -> PluginError:
        """Return an error that names the object.

        Args:
            complaint: Fault of the object.
            remedy: What to do; by default, to tell the plugin's author.
        """
        usual = OUR_REMEDY if self.distribution == OURS else REMEDY
        return PluginError(f"{self}: {complaint}", remedy or usual)

    def blame(self, error: BaseException) -> PluginError:
        """Return an error that names the object and the line of its package that raised ``error``.

        Args:
            error: The exception that left the object.
        """
        if reason := api_1_reason(error):
            return self.fault(outdated(reason), API_REMEDY)
        if isinstance(error, SystemExit):
            text = f"it called sys.exit({error.code!r})"
        else:
            text = shorten(error_text(error), LONGEST)
        fault = self.fault(text + self._place(error))
        if self.distribution != OURS:
            fault.remedy = f"{HINTS.get(self.kind, '')}{fault.remedy}"
        return fault

    def _place(self, error: BaseException) -> str:
        """Return the deepest line of the owner's package in the traceback, in brackets."""
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
    """Return the owner of an object that ``make`` returned, and ``default`` for any other object.

    Args:
        instance: The object.
        default: Owner of an object that ``make`` did not return.
    """
    owner: Owner | None = getattr(type(instance), _OWNER, default)
    return owner


@contextlib.contextmanager
def attributed(owner: Owner | None) -> Iterator[None]:
    """Turn an exception in the body into a PluginError of the owner; without an owner, do nothing.

    Args:
        owner: The owner; None attributes nothing.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if owner is None or _passes(error, owner):
            raise
        raise owner.blame(error) from error


def make(owner: Owner, target: Callable[..., Any], *arguments: Any) -> Any:
    """Call a registered target, and attribute later failures of the object that it returns.

    Args:
        owner: Owner of the object. A target of the kind ``corpus`` returns a list of objects.
        target: The class or function that was registered.
        arguments: The arguments that targets of this kind take.

    Returns:
        The list of a ``corpus``, or the object of any other kind.

    Raises:
        PluginError: If the target fails, or an object lacks a member of its interface.
    """
    with attributed(owner):
        result = target(*arguments)
        several = list(result) if owner.kind == "corpus" else [result]
    for instance in several:
        with attributed(owner):
            missing = _missing(instance, owner.kind)
        if "views" in missing and hasattr(instance, "needs"):
            raise owner.fault(outdated("it declares needs, and no views"), API_REMEDY)
        required = sorted(missing - _defaults(owner.kind).keys())
        if required:
            raise owner.fault(
                f"{type(instance).__name__} has no {', '.join(required)}", "see otx.interfaces"
            )
        _watch(instance, owner, frozenset(missing))
    return several if owner.kind == "corpus" else result


def attributed_metrics(owner: Owner, info: TaskInfo) -> TaskInfo:
    """Return the information of a task with metrics whose exceptions name the task.

    Args:
        owner: Owner of the task.
        info: Information of the task.
    """

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
    """Return the methods of an interface, those of its bases included."""
    names = {
        name for base in protocol.__mro__ for name, value in vars(base).items() if callable(value)
    }
    return {
        name
        for name in names
        if not name.startswith("_") or name in vars(protocol).keys() & {*_SPECIAL}
    }


def _defaults(kind: str) -> dict[str, Any]:
    """Return the members of an interface that need not be implemented, with their defaults.

    These are the fields with a value and, of a base class that marks abstract methods, the other methods.
    """
    defaults: dict[str, Any] = {}
    for protocol in _PROTOCOLS[kind]:
        abstract: frozenset[str] = getattr(protocol, "__abstractmethods__", frozenset())
        for base in reversed(protocol.__mro__):
            fields = getattr(base, "__annotations__", {})
            defaults |= {
                name: value
                for name, value in vars(base).items()
                if not name.startswith("_")
                and name not in abstract
                and (bool(abstract) if callable(value) else name in fields)
            }
    return defaults


def _missing(instance: Any, kind: str) -> set[str]:
    """Return the members of the interface that an object lacks; a task's interface depends on its kind."""
    protocol = _PROTOCOLS[kind][0]
    if kind == "task":
        if not hasattr(instance, "info"):
            return {"info"}
        protocol = _PROTOCOLS[kind][instance.info.kind == "transfer"]
    fields = {name for base in protocol.__mro__ for name in getattr(base, "__annotations__", {})}
    names = _calls(protocol) | {name for name in fields if not name.startswith("_")}
    return {name for name in names if not hasattr(instance, name)}


def _passes(error: BaseException, owner: Owner) -> bool:
    """Return True if an exception is not the owner's fault, or is handled elsewhere."""
    if isinstance(error, OTXError | MemoryError):
        return True
    if isinstance(error, OSError):
        # For otx's own objects, the command line names the file that cannot be opened.
        return owner.distribution == OURS or error.errno in _EXHAUSTED
    torch, click = sys.modules.get("torch"), sys.modules.get("click")
    if click is not None and isinstance(error, click.ClickException):
        return True
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def _watch(instance: Any, owner: Owner, missing: frozenset[str]) -> None:
    """Change an object's class to a subclass with attributed methods, and with defaults for ``missing`` members."""
    if owner_of(instance) == owner:
        return
    # An object that was wrapped for another owner is wrapped for this one alone.
    plain: Any = getattr(type(instance), _PLAIN, type(instance))
    missing |= getattr(type(instance), _FILLED, frozenset())
    try:
        # Bypasses the __setattr__ of a frozen dataclass.
        object.__setattr__(instance, "__class__", _watched(plain, owner, missing))
    except TypeError as error:
        raise owner.fault(
            f"its target gives a {type(instance).__name__}",
            "give an instance of a class of your own",
        ) from error


class _Unannounced:
    """A base that keeps ``__init_subclass__`` of a plugin's class from being called for the wrapping subclass."""

    def __init_subclass__(cls, **options: Any) -> None:
        pass


@functools.cache
def _watched(kind: Any, owner: Owner, missing: frozenset[str]) -> type[Any]:
    """Return a subclass that attributes exceptions and has the defaults of ``missing`` members.

    Its name is the same, because cache keys depend on it.
    """
    contracts = (*_PROTOCOLS[owner.kind], *_BASES.get(owner.kind, ()))
    names = set[str]().union(*(_calls(contract) for contract in contracts))
    members: dict[str, Any] = {
        "__slots__": (),
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        _OWNER: owner,
        _PLAIN: kind,
        _FILLED: missing,
    }
    # An object can change its class only to one of the same layout. Another base changes the layout if the object has
    # slots, or if its class has a base such as ABC or Protocol below its own.
    ordinary = kind.__dictoffset__ and kind.__weakrefoffset__ and _is_dict_added_to_object(kind)
    bases = (_Unannounced, kind) if ordinary else (kind,)
    metaclass: Any = type(kind)
    watched: type[Any] = metaclass(kind.__name__, bases, members)
    for name in names:
        if callable(getattr(kind, name, None)):
            setattr(watched, name, _attributed_method(watched, name, owner))
    defaults = _defaults(owner.kind)
    for name in missing:
        setattr(watched, name, defaults[name])
    return watched


def _is_dict_added_to_object(kind: Any) -> bool:
    """Return whether the first class with a ``__dict__`` derives from object: not so under ``abc.ABC``."""
    while kind.__base__.__dictoffset__:
        kind = kind.__base__
    return kind.__base__ is object


def _attributed_method(watched: type[Any], name: str, owner: Owner) -> Callable[..., Any]:
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        # Not ``attributed``: a generator per call would cost more than everything else here.
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
    """Return True if an IndexError is the end of a sequence, which ends an iteration."""
    past = name == "__getitem__" and isinstance(error, IndexError)
    return past and not -len(instance) <= arguments[0] < len(instance)
