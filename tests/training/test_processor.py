"""What is read of /proc/cpuinfo, for processors of several makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from otx.reporter import Silent
from otx.training import runtime
from otx.training.processor import BF16_SETS, Processor, parse_cpuinfo, read_processor
from otx.training.runtime import warn_of_slow_bf16

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def core(name: str, flags: str) -> str:
    return f"processor\t: 0\nmodel name\t: {name}\ncpu MHz\t\t: 2600\nflags\t\t: {flags}\nbugs\t\t:\n\n"


HASWELL = "fpu sse4_2 avx fma f16c avx2 bmi2"
SKYLAKE = f"{HASWELL} avx512f avx512dq avx512bw avx512vl"
ZEN4 = f"{SKYLAKE} avx512_vnni avx512_bf16"
SAPPHIRE_RAPIDS = f"{ZEN4} amx_bf16 amx_tile amx_int8"
GRAVITON2 = "processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp\nCPU part\t: 0xd0c\n\n"
GRAVITON3 = "processor\t: 0\nFeatures\t: fp asimd sve i8mm bf16\nCPU part\t: 0xd40\n\n"


@pytest.mark.parametrize(
    ("text", "sets", "has_bf16"),
    [
        (core("Nehalem", "fpu sse4_2"), (), False),
        (core("Haswell", HASWELL), ("avx2",), False),
        (core("Skylake", SKYLAKE), ("avx2", "avx512f"), False),
        (core("EPYC 9654", ZEN4), ("avx2", "avx512f", "avx512_bf16"), True),
        (
            core("Platinum 8480", SAPPHIRE_RAPIDS),
            ("avx2", "avx512f", "avx512_bf16", "amx_bf16"),
            True,
        ),
        (GRAVITON2, ("asimd",), False),
        (GRAVITON3, ("asimd", "sve", "bf16"), True),
        ("", None, None),
        ("processor : 0\nmodel name : made without flags\n", None, None),
    ],
)
def test_instruction_sets_of_several_processors(
    text: str, sets: tuple[str, ...] | None, has_bf16: bool | None
) -> None:
    processor = parse_cpuinfo(text)
    assert processor.instruction_sets == sets and processor.has_bf16 is has_bf16


def test_the_name_is_the_first_core_s() -> None:
    text = core("AMD EPYC 9654", ZEN4) + core("another", ZEN4)
    assert parse_cpuinfo(text).describe() == "AMD EPYC 9654: avx2, avx512f, avx512_bf16"
    assert parse_cpuinfo(core("i5", HASWELL)).describe() == "i5: avx2; bf16 slower than float32"
    assert parse_cpuinfo("").describe().endswith(": instruction sets unknown")


def test_a_set_counts_if_every_core_has_it() -> None:
    assert parse_cpuinfo(core("big", ZEN4) + core("little", HASWELL)).instruction_sets == ("avx2",)


def test_a_system_without_cpuinfo_is_unknown(tmp_path: Path) -> None:
    assert read_processor(tmp_path / "cpuinfo").has_bf16 is None


def test_what_linux_says_is_what_torch_finds() -> None:
    processor = read_processor()
    if processor.instruction_sets is None or not hasattr(torch.cpu, "get_capabilities"):
        pytest.skip("no /proc/cpuinfo, or an older torch without a query of its own")
    names = {"avx512f": "avx512_f"} | {name: name for name in ("avx2", *BF16_SETS)}
    found = torch.cpu.get_capabilities()
    for linux, torch_s in names.items():
        assert (linux in processor.instruction_sets) == bool(found.get(torch_s, False))


class Heard(Silent):
    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, text: str) -> None:
        self.notices.append(text)


@pytest.mark.parametrize(
    ("dtype", "device", "flags", "told"),
    [
        ("bf16", CPU, HASWELL, True),
        ("bf16", CPU, SKYLAKE, True),
        ("bf16", CPU, ZEN4, False),
        ("auto", CPU, HASWELL, False),
        ("fp32", CPU, HASWELL, False),
        ("bf16", GPU, HASWELL, False),
        ("auto", GPU, HASWELL, False),
    ],
)
def test_bf16_without_its_instructions_is_told_in_one_line(
    dtype: str, device: torch.device, flags: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "read_processor", lambda: parse_cpuinfo(core("it", flags)))
    heard = Heard()
    warn_of_slow_bf16(dtype, device, heard)
    assert len(heard.notices) == told
    assert all("\n" not in n and "runtime.dtype auto or fp32" in n for n in heard.notices)


def test_nothing_is_said_of_a_processor_that_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "read_processor", lambda: Processor("arm64", None))
    heard = Heard()
    warn_of_slow_bf16("bf16", CPU, heard)
    assert heard.notices == []


@pytest.mark.parametrize("dtype", ["bf16", "auto"])
def test_a_dry_run_of_an_alignment_tells_it_once(
    dtype: str, align: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runtime, "read_processor", lambda: parse_cpuinfo(core("it", HASWELL)))
    assert align("--dry-run", "--dtype", dtype, "--device", "cpu") == 0
    assert capfd.readouterr().err.count("slower than float32") == (dtype == "bf16")
