"""The processor's name, and the instruction sets that determine how fast otx computes on it."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")
"""Instruction sets that matter for speed, by their names in Linux; the last three are those of ARM."""
BF16_SETS = {"avx512_bf16", "amx_bf16", "bf16"}
"""Instruction sets that multiply bf16 numbers without converting them to float32 first."""
_NAMES, _FLAGS = ("model name", "Model"), ("flags", "Features")


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor.

    Attributes:
        name: Its name.
        instruction_sets: Those of ``INSTRUCTION_SETS`` that it has; None if the system does not list them.
    """

    name: str
    instruction_sets: tuple[str, ...] | None

    @property
    def has_bf16(self) -> bool | None:
        """True if the processor multiplies bf16 directly; None if that is unknown."""
        if self.instruction_sets is None:
            return None
        return not BF16_SETS.isdisjoint(self.instruction_sets)

    def describe(self) -> str:
        """Return the name, the instruction sets and their consequence for bf16, in one line."""
        if self.instruction_sets is None:
            return f"{self.name}: instruction sets unknown"
        names = ", ".join(self.instruction_sets) or "no vector instructions"
        return f"{self.name}: {names}" + ("" if self.has_bf16 else "; bf16 slower than float32")


def read_processor(cpuinfo: Path = CPUINFO) -> Processor:
    """Return the processor as Linux describes it; on other systems its instruction sets are unknown.

    Args:
        cpuinfo: The file of the description.
    """
    text = cpuinfo.read_text(encoding="utf-8", errors="replace") if cpuinfo.is_file() else ""
    return parse_cpuinfo(text)


def parse_cpuinfo(text: str) -> Processor:
    """Parse the text of /proc/cpuinfo. A set counts if every core has it, because any core may run a thread.

    Args:
        text: The text.

    Example:
        >>> parse_cpuinfo("model name: X1\\nflags: fpu avx2\\n").describe()
        'X1: avx2; bf16 slower than float32'
    """
    fields = [line.partition(":")[::2] for line in text.splitlines()]
    names = [value.strip() for key, value in fields if key.strip() in _NAMES]
    cores = [set(value.split()) for key, value in fields if key.strip() in _FLAGS]
    name = names[0] if names else platform.processor() or platform.machine()
    if not cores:
        return Processor(name, None)
    common = set.intersection(*cores)
    return Processor(name, tuple(each for each in INSTRUCTION_SETS if each in common))
