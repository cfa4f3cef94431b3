from collections.abc import Callable
from typing import Any

from otx.runs.summary import summary
from otx.types import Metric, Score

Make = Callable[..., Any]
ONE = [Score("e", "c", {"hit": 1.0, "n": 1.0})]


def metric(name: str, **changes: Any) -> Metric:
    return Metric(name, lambda sums: sums["x"], **changes)


def units(add_unit: Make, make_run: Make, tasks: dict[str, Any], **values: Any) -> list[Any]:
    """Units of the run ``r`` on the task ``nli`` out of (language, seed, floor): accuracy."""
    run = make_run("r")
    return [
        (
            "r",
            add_unit(
                run, tasks["nli"], language, ONE, seed, floor=floor, metrics={"accuracy": value}
            ),
        )
        for (language, seed, floor), value in values["numbers"].items()
    ]


def test_seeds_are_averaged_before_languages_and_the_best_floor_stands_first(
    add_unit: Make, make_run: Make, tasks: dict[str, Any]
) -> None:
    numbers = {
        ("en", None, "majority"): 0.5,
        ("de", None, "majority"): 0.3,
        ("en", None, "random"): 0.3,
        ("de", None, "random"): 0.3,
        ("en", 1, None): 0.9,
        ("en", 2, None): 0.7,
        ("de", 1, None): 0.4,
    }
    found = units(add_unit, make_run, tasks, numbers=numbers)
    assert summary(found, {"nli": metric("accuracy")}) == [
        ("RUN", "nli accuracy"),
        ("(floor)", "40.0"),
        ("r", "60.0"),
    ]
    two = summary(found, {"nli": metric("accuracy"), "other": metric("f1")})
    assert two[0] == ("RUN", "nli accuracy", "other f1", "mean")
    assert two[2] == ("r", "60.0", "-", "-")
    both = summary(
        [*found, *[(run, add_other(unit)) for run, unit in found]],
        {"nli": metric("accuracy"), "other": metric("accuracy")},
    )
    assert both[2] == ("r", "60.0", "60.0", "60.0")


def add_other(unit: Any) -> Any:
    from dataclasses import replace

    return replace(unit, task="other")


def test_what_is_no_share_or_better_when_less_is_not_averaged(
    add_unit: Make, make_run: Make, tasks: dict[str, Any]
) -> None:
    found = units(add_unit, make_run, tasks, numbers={("en", 1, None): 0.25})
    found += [(run, add_other(unit)) for run, unit in found]
    shown = {"nli": metric("accuracy", percent=False), "other": metric("accuracy")}
    assert summary(found, shown) == [
        ("RUN", "nli accuracy", "other accuracy"),
        ("r", "0.250", "25.0"),
    ]
    shown = {"nli": metric("accuracy", higher_is_better=False), "other": metric("accuracy")}
    assert "mean" not in summary(found, shown)[0]
