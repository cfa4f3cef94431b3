"""The benchmark of predicted memory runs on a CPU, without a measurement."""

import sys

import pytest

from benchmarks import align_gpu, gpu_memory


def test_it_prints_the_prediction(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(align_gpu, "PAIRS", 500)
    command = ["gpu_memory", "--device", "cpu", "--shape", "tiny", "--tokens", "512"]
    monkeypatch.setattr(sys, "argv", command)
    gpu_memory.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[:2] == ["tiny", "512"] and lines[2].split()[4:6] == ["-", "-"]
    assert "peak memory on cpu about" in lines[3]
