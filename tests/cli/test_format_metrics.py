from types import SimpleNamespace
from typing import Any, cast

from otx.config.settings import load_settings
from otx.plugin_host.host import host
from otx.runs.result_rows import numbers_by


def test_shares_are_percentages_and_other_numbers_stay_as_they_are() -> None:
    write = numbers_by(host(load_settings()).registry)

    def shown(task: str, **metrics: float) -> str:
        return write(cast(Any, SimpleNamespace(task=task, metrics=metrics)))

    assert shown("structure", cka=0.458, hubness=4.031) == "cka 45.8  hubness 4.031"
    assert shown("xnli", accuracy=0.5) == "accuracy 50.0"
    assert shown("of another plugin", hubness=0.5) == "hubness 50.0"
