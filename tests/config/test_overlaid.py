"""Layers that are added after loading count as if they had been given at once."""

from pathlib import Path

import pytest

from otx.config.settings import load_settings, overlaid
from otx.errors import UsageError

TOML = """
[align]
steps = 100
seed = 3

[xnli]
epochs = 5.0
lr = 1e-5

[plugins]
prefer = {a = "x"}
"""
RECIPE = """
[recipe]
name = "small"

[align]
epochs = 2.0

[xnli]
epochs = 1.0
batch = 8

[runs]
folder = "elsewhere"
"""


@pytest.mark.parametrize("toml", [TOML, ""])
@pytest.mark.parametrize("recipe", [RECIPE, RECIPE.replace('[runs]\nfolder = "elsewhere"', "")])
@pytest.mark.parametrize(
    ("flags", "sets"),
    [
        ({}, []),
        ({"align.seed": 7, "xnli.data": "d"}, ["xnli.data=e", "plugins.prefer.b=y"]),
        ({"xnli.epochs": 4.0, "runs.folder": None}, ["xnli.batch=2", "align.objective=l2"]),
    ],
)
def test_added_layers_are_those_of_one_loading(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    toml: str,
    recipe: str,
    flags: dict[str, object],
    sets: list[str],
) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "otx.toml").write_text(toml)
    (tmp_path / "small.toml").write_text(recipe)
    monkeypatch.chdir(tmp_path / "inner")
    at_once = load_settings(flags=flags, sets=sets, recipe=tmp_path / "small.toml")
    early = {key: value for key, value in flags.items() if key.startswith("align.")}
    late = {key: value for key, value in flags.items() if key not in early}
    loaded = load_settings(flags=early, sets=sets)
    for layered in (
        overlaid(loaded, recipe=tmp_path / "small.toml", flags=late),
        overlaid(overlaid(loaded, recipe=tmp_path / "small.toml"), flags=late),
    ):
        assert layered.as_dict() == at_once.as_dict()
        assert layered.origins() == at_once.origins()


def test_an_added_value_of_a_wrong_type_is_named_with_its_flag(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--seed: align\.seed must be a whole number"):
        overlaid(load_settings(start=tmp_path), flags={"align.seed": "one"})
