from __future__ import annotations

import os

import pytest
import torch

from otx.errors import UsageError
from otx.training import runtime
from otx.training.runtime import choose_device, open_device, seed_step


def test_a_gpu_is_opened_without_the_attention_that_plans_anew_for_every_shape(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    before = torch.backends.cuda.cudnn_sdp_enabled()
    try:
        assert open_device("auto") == torch.device("cuda")
        assert not torch.backends.cuda.cudnn_sdp_enabled()
    finally:
        torch.backends.cuda.enable_cudnn_sdp(before)


def test_the_cpu_keeps_few_compiled_products_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    open_device("cpu")
    assert int(os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"]) < 100
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "500")
    open_device("cpu")
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "500"


def test_opening_the_cpu_leaves_the_gpu_s_attention_alone() -> None:
    before = torch.backends.cuda.cudnn_sdp_enabled()
    assert open_device("cpu") == torch.device("cpu")
    assert torch.backends.cuda.cudnn_sdp_enabled() == before


@pytest.mark.parametrize("name", ["gpu", "cuda:0"])
def test_a_device_that_is_not_there_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError):
        choose_device(name)


def test_random_numbers_of_a_step_depend_on_seed_and_step_alone() -> None:
    seed_step(1, 5)
    first = torch.rand(3)
    torch.rand(7)
    seed_step(1, 5)
    assert torch.equal(torch.rand(3), first)
    seed_step(2, 5)
    assert not torch.equal(torch.rand(3), first)


def test_a_package_that_is_not_there_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "PACKAGES", ("torch", "no-such-package"))
    found = runtime.versions()
    assert found["torch"] == torch.__version__ and found["no-such-package"] == "absent"
