"""Read plain values of the command line without pydantic, whose import takes .08 s; typer reads even text with it."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

try:
    from typer._coercion import RuntimeParam, build_runtime_param
except ImportError:
    # These names are private. Without them, commands start later, and read the same values.
    CAN_READ = False
else:
    CAN_READ = True

    class _Read(RuntimeParam):
        """Reads the value of a parameter."""

        def _coerce_value(self, value: Any, param: Any, ctx: Any) -> Any:
            if self.annotation is str or (self.annotation is bool and isinstance(value, bool)):
                return value
            if self.annotation == list[str]:
                return list(value)
            typed = build_runtime_param(param.type_descriptor)
            return typed.coerce(value, param=param, ctx=ctx)


class _Command(TyperCommand):
    """A command whose parameters, the help option included, are read by ``_Read``."""

    def get_params(self, ctx: Any) -> Any:
        return _read_quickly(super().get_params(ctx))


class _Group(TyperGroup):
    """A group of commands, with parameters as ``_Command``."""

    def get_params(self, ctx: Any) -> Any:
        return _read_quickly(super().get_params(ctx))


def read_quickly(command: Any) -> None:
    """Let a command read its plain values without pydantic, if this release of typer permits it.

    Args:
        command: The command, or a group without its commands.
    """
    if CAN_READ:
        command.__class__ = _Group if isinstance(command, TyperGroup) else _Command


def _read_quickly(parameters: Any) -> Any:
    for parameter in parameters:
        described = parameter.type_descriptor
        parameter._runtime_param = _Read(described.parameter_info, described.annotation)
    return parameters
