from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from otx.config.settings import load_settings
from otx.errors import UsageError
from otx.plugin_host.host import host
from otx.plugin_host.registry import Registry
from otx.runs.folder import RunFolder
from otx.training.factories import resolve_encoder
from otx.training.run_encoder import resolve_run_encoder, run_encoder_reference


@pytest.fixture(scope="module")
def registry() -> Registry:
    return host(load_settings()).registry


def aligned(root: Path, model: str) -> RunFolder:
    run = RunFolder.create(root, "r", kind="align", settings={})
    run.model.mkdir()
    run.update(status="finished", model=model, model_digest_before="0")
    return run


@pytest.mark.parametrize(
    ("model", "plugin"), [("mini", "mini"), ("some/folder", "huggingface"), ("e5-small:x", "e5-small")]
)  # fmt: skip
def test_an_aligned_encoder_is_opened_by_the_plugin_of_its_run(
    tmp_path: Path, registry: Registry, model: str, plugin: str
) -> None:
    run = aligned(tmp_path, model)
    entry, reference = resolve_run_encoder(run, registry)
    assert (entry.name, reference) == (plugin, str(run.model))
    again, same = resolve_encoder(run_encoder_reference(run, registry), registry)
    assert (again.name, same) == (plugin, str(run.model))


def test_an_untouched_encoder_is_its_own_reference(tmp_path: Path, registry: Registry) -> None:
    run = RunFolder.untouched(tmp_path, "huggingface:org/name", "0123456789")
    assert resolve_run_encoder(run, registry)[1] == "org/name"
    assert run_encoder_reference(run, registry).endswith(":huggingface:org/name")


@pytest.mark.parametrize("resolve", [resolve_run_encoder, run_encoder_reference])
def test_a_run_without_encoder_says_how_to_finish_it(
    tmp_path: Path, registry: Registry, resolve: Callable[[RunFolder, Registry], object]
) -> None:
    run = aligned(tmp_path, "mini")
    run.model.rmdir()
    run.update(status="interrupted")
    with pytest.raises(UsageError) as caught:
        resolve(run, registry)
    assert caught.value.message == "run r has no encoder of its own: it is interrupted"
    assert caught.value.remedy == "finish it with: otx align --resume r"
