"""Content keys are those of results that were written before: they must never change by themselves."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from otx.config.roles import OPTIMISATION, PATH
from otx.config.schema import EvalSettings
from otx.evaluation import unit_keys
from otx.evaluation.unit_keys import CARRIED, EncoderIdentity, KeyMaker, TrainingProcedure


@dataclass(frozen=True)
class Options:
    """Options of a task."""

    data: str | None = field(default="somewhere", metadata=PATH)
    lr: float = field(default=2e-5, metadata=OPTIMISATION)
    source: str = "en"


def key_maker(kind: str = "transfer", autocast: str = "None") -> KeyMaker:
    task = SimpleNamespace(
        info=SimpleNamespace(name="colours", version="3", kind=kind),
        options=Options(),
        fingerprint=lambda language: f"data-{language}",
        training_fingerprint=lambda: "training-data",
    )
    encoder = EncoderIdentity("weights", {"model": "m", "layers": 2}, autocast)
    return KeyMaker(cast(Any, task), encoder, TrainingProcedure.of(EvalSettings(), "used"))


@pytest.fixture
def second_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fine-tuning as it was when the old results were recorded."""
    monkeypatch.setattr(unit_keys, "FIT_VERSION", 2)


@pytest.mark.parametrize(
    ("autocast", "unit", "key"),
    [
        ("None", ("de", 1), "c34a3f790011586421c3b083a63542be9450b8d37d21dbbdf191c806f188b12d"),
        ("None", ("de", None), "e4a6c2f0b6489ce2a6a92b6b9190c1e34b4b13df4a098a31abf32cd339e16032"),
        (
            "None",
            ("de", None, "majority"),
            "d36dd0014b03678171ff5eadfefe7529915993d768279b434046af848337e0ba",
        ),
        (
            "torch.bfloat16",
            ("de", 1),
            "877fc057475c14a732b86e78311608219c66c87377665b407314c0baf60f9d00",
        ),
        (
            "torch.bfloat16",
            ("de", None, "majority"),
            "d36dd0014b03678171ff5eadfefe7529915993d768279b434046af848337e0ba",
        ),
    ],
)
def test_keys_of_a_transfer_task_are_those_of_old_results(
    autocast: str, unit: tuple[Any, ...], key: str, second_version: None
) -> None:
    assert key_maker(autocast=autocast).unit(*unit) == key


def test_the_key_of_a_probe_is_that_of_old_results() -> None:
    keys = key_maker("probe")
    assert keys.training(None) is None
    assert keys.unit("de", None) == (
        "40f9dcb17eb8bbdc90602213fa8a3f8b51a86bf5771bf3f1158654dfffd1e590"
    )


def test_a_new_version_of_fine_tuning_gives_new_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    unit, baseline = ("de", 1), ("de", None, "majority")
    before = key_maker().unit(*unit), key_maker().unit(*baseline)
    monkeypatch.setattr(unit_keys, "FIT_VERSION", unit_keys.FIT_VERSION + 1)
    after = key_maker().unit(*unit), key_maker().unit(*baseline)
    assert before[0] != after[0] and before[1] == after[1], "a baseline is not fine-tuned"


def test_keys_of_fine_tuned_models_are_those_of_old_ones(second_version: None) -> None:
    keys = key_maker()
    assert keys.training(None) == CARRIED
    assert keys.training(1) == "2b097cdf04b67984933e8f29529d4a62e986f6de27162cfadf8810cd3c3b4455"
    assert keys.finetuned_model(1) == (
        "959fb4a37f50e8c6fa10249445ced58ae30da1ca2455f38546f75159b4d598cc"
    )
    assert key_maker(autocast="torch.bfloat16").finetuned_model(1) == (
        "34df64440cb6df2cb9e48c115c4b8331719b4f2c0ef33dbd3a84aa769df41a60"
    )
