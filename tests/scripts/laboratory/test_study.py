from __future__ import annotations

from pathlib import Path

import pytest

from otx.errors import UsageError
from otx.plugin_host.registry import Registry
from scripts.laboratory.keys import contents_of, key_of
from scripts.laboratory.site import ROOT
from scripts.laboratory.study import Study, read_study
from scripts.laboratory.tables import gather
from tests.scripts.laboratory.conftest import STUDY, write_study


def test_cells_come_by_tier_then_by_seed_each_once(study: Study) -> None:
    assert [(cell.name, cell.tier) for cell in study.cells] == [
        ("untouched-s1", 1),
        ("sinkhorn-s1", 1),
        ("shuffled-s1", 2),
        ("sinkhorn-s2", 2),
        ("untouched-s2", 2),
        ("shuffled-s2", 2),
    ]


def test_a_further_seed_of_the_untouched_encoder_has_fitted_tasks_only(study: Study) -> None:
    tasks = {cell.name: cell.tasks for cell in study.cells}
    assert tasks["untouched-s1"] == tasks["sinkhorn-s2"] == ("retrieval", "xnli")
    assert tasks["untouched-s2"] == ("xnli",)


def test_a_system_may_have_some_of_the_tasks_only(tmp_path: Path, registry: Registry) -> None:
    text = STUDY.replace("[systems.sinkhorn]", '[systems.sinkhorn]\ntasks = ["retrieval"]')
    path = tmp_path / "study.toml"
    path.write_text(text)
    tasks = {cell.name: cell.tasks for cell in read_study(path, registry).cells}
    assert tasks["sinkhorn-s1"] == ("retrieval",)
    assert tasks["shuffled-s1"] == ("retrieval", "xnli")
    path.write_text(text.replace('["retrieval"]', '["retrieve"]'))
    with pytest.raises(UsageError, match=r"\[systems\.sinkhorn\]: no task 'retrieve'"):
        read_study(path, registry)


def test_the_prediction_is_the_system_s_and_its_tasks_seconds(study: Study) -> None:
    seconds = {cell.name: cell.seconds for cell in study.cells}
    assert seconds["sinkhorn-s1"] == 16 and seconds["untouched-s2"] == 5


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("seconds = 10", "second = 10", "unknown key 'second'"),
        ('name = "tiny"', "", "'name' is missing"),
        ('"sinkhorn"]\nseeds = [1]', '"sinkhron"]\nseeds = [1]', "names system 'sinkhron'"),
        ("tier = 1", "", "a tier lacks tier"),
        ('task = "xnli"', 'task = "xnil"', "unknown task 'xnil'"),
        ("[pace]", "[pace", "cannot be read"),
    ],
)
def test_a_fault_in_the_file_is_named(
    before: str, after: str, message: str, tmp_path: Path, registry: Registry
) -> None:
    with pytest.raises(UsageError, match=message.replace("[", r"\[")):
        write_study(tmp_path, STUDY.replace(before, after), registry)


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.toml")), ids=lambda p: p.stem)
def test_every_study_of_the_project_can_be_read(path: Path, registry: Registry) -> None:
    study = read_study(path, registry)
    assert study.cells and all(cell.seconds > 0 for cell in study.cells)
    for system in study.systems.values():
        assert system.recipe is None or registry.find("recipe", system.recipe)


FIRST_NAMES = {
    """[settings.align]
steps = 3

[settings.data]
corpus = ["sample:de"]
batch_tokens = 128
heldout = 20

[settings.runtime]
dtype = "fp32"
""": """[settings.align]
steps = 3
corpus = ["sample:de"]
batch_tokens = 128
heldout = 20
dtype = "fp32"
""",
    '"align.objective" = ["sinkhorn"], "optimizer.lr" = 1e-4}': (
        '"align.objective" = ["sinkhorn"], "align.lr" = 1e-4}'
    ),
}
"""Parts of a study under the present names of settings, and under those of schema 1."""


def test_old_and_new_names_of_settings_give_equal_keys(tmp_path: Path, registry: Registry) -> None:
    text = STUDY.replace('["sinkhorn"]}', '["sinkhorn"], "optimizer.lr" = 1e-4}')
    old = text
    for new_part, old_part in FIRST_NAMES.items():
        assert new_part in old
        old = old.replace(new_part, old_part)
    studies = [write_study(tmp_path, each, registry) for each in (text, old)]
    for cell, other in zip(studies[0].cells, studies[1].cells, strict=True):
        contents = [
            contents_of(study, each, registry)
            for study, each in zip(studies, (cell, other), strict=True)
        ]
        keys = [key_of(each, {}, "digest") for each in contents]
        assert cell.name == other.name and keys[0] == keys[1]
    changed = write_study(
        tmp_path, text.replace("1e-4}\n\n[systems.shuf", "2e-4}\n\n[systems.shuf"), registry
    )
    keys = [
        key_of(contents_of(study, study.cells[1], registry), {}, "digest")
        for study in (studies[0], changed)
    ]
    assert studies[0].cells[1].name == "sinkhorn-s1" and keys[0] != keys[1]


@pytest.mark.parametrize("name", ["e5-small-cpu", "e5-small-cpu-transfer"])
def test_cells_made_before_settings_were_renamed_are_finished(
    name: str, registry: Registry
) -> None:
    study = read_study(ROOT / "studies" / f"{name}.toml", registry)
    finished = gather(study, registry)
    assert set(finished.records) == {cell.name for cell in study.cells}
    assert any("align.lr" in record["contents"]["set"] for record in finished.records.values())
    for cell in study.cells:
        record = finished.records[cell.name]
        contents = contents_of(study, cell, registry)
        assert key_of(contents, record["files"], record["model"]["digest"]) == record["key"]
