from __future__ import annotations

import json
import string
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from otx.cli.config import template
from otx.config.schema import SECTIONS
from otx.config.settings import Settings, load_settings, overlaid, settings_from
from otx.config.toml_file import edit_list, parse_value
from otx.config.validation import field_docs
from otx.errors import PluginError, UsageError
from otx.plugin_host.registry import Entry, Registry

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class PullOptions:
    """Options of ``pull``."""

    epsilon: float = 0.05
    cost: str = "cosine"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def registry() -> Registry:
    made = Registry("mine")
    made.objective("pull", "a:B", "", PullOptions)
    made.objective("plain", "a:C", "")
    return made


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def refusal(**given_as: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        load_settings(**given_as)
    assert caught.value.exit_code == 2
    return caught.value


def test_without_anything_the_defaults_hold(folder: Path) -> None:
    settings = load_settings()
    assert settings == Settings()
    assert settings.align.objective == ("sinkhorn",)
    assert settings.encoder.model == "mini" and settings.data.corpus == ("sample",)
    assert settings.origin("optimizer.lr") == "default"


def test_each_layer_overrides_the_one_before(folder: Path) -> None:
    write(folder / "otx.toml", "[align]\nseed = 7\nepochs = 2\n[optimizer]\nlr = 1e-5\nclip = 3\n")
    recipe = write(
        folder / "wordot.toml",
        "[align]\nseed = 8\nepochs = 3\n[optimizer]\nclip = 4\n[pull]\nepsilon = 1\n",
    )
    settings = load_settings(
        flags={"align.epochs": 4.0, "optimizer.clip": 5, "encoder.model": None, "data.corpus": []},
        sets=["optimizer.clip=6"],
        recipe=recipe,
    )
    align = settings.align
    optimizer = settings.optimizer
    assert (optimizer.warmup, optimizer.lr, align.seed, align.epochs, optimizer.clip) == (
        0.1,
        1e-5,
        8,
        4.0,
        6.0,
    )
    assert [
        settings.origin(key)
        for key in (
            "optimizer.warmup",
            "optimizer.lr",
            "align.seed",
            "align.epochs",
            "optimizer.clip",
        )
    ] == [
        "default",
        "otx.toml:5",
        "recipe wordot",
        "--epochs",
        "--set",
    ]
    assert settings.origin("pull.epsilon") == "recipe wordot"
    assert settings.encoder.model == "mini" and settings.data.corpus == ("sample",)


def test_the_file_is_sought_upwards(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "otx.toml", "[runs]\nfolder = 'elsewhere'\n")
    below = folder / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    settings = load_settings()
    assert settings.runs.folder == "../../elsewhere"
    assert settings.origin("runs.folder") == "../../otx.toml:2"
    assert load_settings(sets=["runs.folder=here"]).runs.folder == "here"
    write(folder / "otx.toml", "[optimizer]\nlr = 1\n")
    assert load_settings().runs.folder == "../../runs"
    monkeypatch.chdir(folder)
    assert load_settings().runs.folder == "runs"


def test_epochs_take_back_the_steps_of_a_layer_below(folder: Path) -> None:
    recipe = write(folder / "long.toml", "[align]\nsteps = 100\n")
    assert load_settings(recipe=recipe).align.steps == 100
    for layer in ({"flags": {"align.epochs": 2.0}}, {"sets": ["align.epochs=2"]}):
        settings = load_settings(recipe=recipe, **layer)
        assert (settings.align.steps, settings.align.epochs) == (None, 2.0)
        again = settings_from(settings.as_dict(), "the record")
        assert again.align == settings.align
    both = load_settings(recipe=recipe, sets=["align.epochs=2", "align.steps=7"]).align
    assert (both.steps, both.epochs) == (7, 2.0)
    assert settings_from(load_settings(recipe=recipe).as_dict(), "it").align.steps == 100


def test_lines_are_found_in_every_way_to_write_a_key(folder: Path) -> None:
    text = (
        "# a comment\n"
        "align.seed = 3\n"
        "\n"
        "[ runs ]  # here\n"
        "folder = 'x'\n"
        "[pull]\n"
        '"epsilon" = 1.0\n'
        'cost = """\n'
        "many\n"
        'lines"""\n'
        "[plugins.prefer]\n"
        "pull = 'mine'\n"
    )
    write(folder / "otx.toml", text)
    settings = load_settings()
    places = {
        "align.seed": 2,
        "runs.folder": 5,
        "pull.epsilon": 7,
        "pull.cost": 8,
        "plugins.prefer": 12,
    }
    for dotted, line in places.items():
        assert settings.origin(dotted) == f"otx.toml:{line}"
    assert settings.plugins.prefer == {"pull": "mine"}


def test_windows_lines_and_a_byte_order_mark_are_no_obstacle(folder: Path) -> None:
    (folder / "otx.toml").write_bytes(b"\xef\xbb\xbf[align]\r\nseed = 4\r\n")
    settings = load_settings()
    assert settings.align.seed == 4 and settings.origin("align.seed") == "otx.toml:2"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[optimizer]\nlrr = 1\n", "otx.toml:2: unknown setting 'optimizer.lrr'"),
        (
            "[optimizer]\nlr = 'fast'\n",
            "otx.toml:2: optimizer.lr must be a number or none, not 'fast'",
        ),
        ("[optimizer]\n\nlr = -1\n", "otx.toml:3: optimizer.lr must be above 0"),
        ("[optimizer]\nwarmup = 2\n", "otx.toml:2: optimizer.warmup must be from 0 to 1"),
        (
            "[runtime]\ndtype = 'fp16'\n",
            "otx.toml:2: runtime.dtype must be one of auto, fp32, bf16",
        ),
        ("[align]\nobjective = ['a*b']\n", "otx.toml:2: align.objective has 'a*b'"),
        ("[eval]\nseeds = []\n", "otx.toml:2: eval.seeds must be different numbers"),
        ("lr = 1\n", "otx.toml:1: 'lr' is in no table"),
        ("[align\n", "otx.toml cannot be read"),
        ("[optimizer]\nlr = 1\nlr = 2\n", "otx.toml cannot be read"),
        (
            f"[align]\nseed = {'9' * 4_400}\n",
            "otx.toml cannot be read: a number of too many digits",
        ),
        (f"[encoder]\nmodel = {'[' * 50_000}\n", "otx.toml cannot be read: nested too deeply"),
        (
            f"[optimizer]\nlr = 1{'0' * 400}\n",
            "otx.toml:2: optimizer.lr must be a number of at most 64 bits",
        ),
        (f"[align]\nseed = {2**63}\n", "align.seed must be a whole number of at most 64 bits"),
        ("[optimizer]\nlr = 1979-05-27\n", "otx.toml:2: optimizer.lr must be a number or none"),
        ("[optimizer]\nlr = nan\n", "otx.toml:2: optimizer.lr must be"),
    ],
)
def test_a_bad_file_is_refused_by_file_line_and_key(folder: Path, text: str, part: str) -> None:
    write(folder / "otx.toml", text)
    assert part in refusal().message


def test_a_file_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "otx.toml").write_bytes(b"[encoder]\nmodel = '\xff'\n")
    assert "otx.toml cannot be read" in refusal().message


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("optimizer.lrr=1", "did you mean 'optimizer.lr'?"),
        ("lr=1", "did you mean 'optimizer.lr'?"),
        ("optimizer.lr", "write --set table.key=value"),
        ("eval.language=de", "did you mean 'eval.languages'?"),
    ],
)
def test_a_bad_set_is_refused_with_a_remedy(folder: Path, text: str, remedy: str) -> None:
    assert refusal(sets=[text]).remedy == remedy


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", 0.1),
        ("3", 3),
        ("true", True),
        ("cosine", "cosine"),
        ('"3"', "3"),
        ('["a", "b"]', ["a", "b"]),
        ("path/en-de", "path/en-de"),
        ("a.txt,b.txt", "a.txt,b.txt"),
        ("", ""),
        ("1\n[other]", "1\n[other]"),
        ("hub:opus/100 # x", "hub:opus/100 # x"),
    ],
)
def test_a_set_value_is_toml_or_else_text(text: str, value: Any) -> None:
    assert parse_value(text) == value


@given(st.text(alphabet=string.printable, max_size=30))
def test_any_text_can_be_set(text: str) -> None:
    settings = load_settings(sets=[f"pull.cost={text}"], start=Path("/"))
    assert json.dumps(settings.options["pull"], default=str)


def test_a_table_in_a_table_is_added_to(folder: Path) -> None:
    write(folder / "otx.toml", "[plugins]\nprefer = {pull = 'a', push = 'b'}\n")
    settings = load_settings(sets=["plugins.prefer.push=c"])
    assert settings.plugins.prefer == {"pull": "a", "push": "c"}


def test_options_are_typed_by_the_entry(folder: Path, registry: Registry) -> None:
    settings = load_settings(sets=["pull.epsilon=1", "pull.cost=euclidean"])
    assert registry.find("objective", "pull").read_options(settings) == PullOptions(
        1.0, "euclidean"
    )
    assert registry.find("objective", "pull").read_options(load_settings()) == PullOptions()
    assert registry.find("objective", "plain").read_options(settings) is None


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("pull.epsilonn=1", "--set: unknown setting 'pull.epsilonn'"),
        ("pull.epsilon=soft", "--set: pull.epsilon must be a number, not 'soft'"),
    ],
)
def test_bad_options_are_refused(folder: Path, registry: Registry, text: str, part: str) -> None:
    settings = load_settings(sets=[text])
    with pytest.raises(UsageError) as caught:
        registry.find("objective", "pull").read_options(settings)
    assert part in caught.value.message


def test_options_of_what_has_none_are_refused(folder: Path, registry: Registry) -> None:
    with pytest.raises(UsageError, match=r"unknown setting 'plain\.size'"):
        registry.find("objective", "plain").read_options(load_settings(sets=["plain.size=1"]))


def test_settings_survive_a_record(folder: Path) -> None:
    sets = ["pull.epsilon=0.5", "align.steps=9", "eval.seeds=[1,2]", "plugins.prefer.pull=mine"]
    settings = load_settings(sets=sets)
    again = settings_from(json.loads(json.dumps(settings.as_dict())), "run one")
    assert again.as_dict() == settings.as_dict()
    assert again.align == settings.align and again.eval == settings.eval
    assert again.origin("align.steps") == "run one"


def test_origins_cover_every_key(folder: Path) -> None:
    settings = load_settings(sets=["pull.epsilon=0.5"])
    origins = settings.origins()
    keys = {f"{s}.{k}" for s, table in settings.as_dict().items() for k in table}
    assert set(origins) == keys and origins["pull.epsilon"] == "--set"


def test_a_recipe_may_speak_of_itself(folder: Path) -> None:
    recipe = write(folder / "paper.toml", "[recipe]\nsource = 'x'\n[align]\nseed = 5\n")
    settings = load_settings(recipe=recipe)
    assert settings.align.seed == 5 and "recipe" not in settings.as_dict()


def test_objectives_as_tables_say_what_texts_say(folder: Path) -> None:
    text = """
[[align.objective]]
name = "sinkhorn"

[[align.objective]]
name = "tlm"
weight = 0.5

[[align.objective]]
name = "l2"
weight = "1..0.1"
over = 0.2
"""
    settings = load_settings(start=write(folder / "otx.toml", text).parent)
    assert settings.align.objective == ("1.0*sinkhorn", "0.5*tlm", "1..0.1@0.2*l2")
    assert settings.origin("align.objective") == "otx.toml:2"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("weight = 1", "without a name"),
        ('name = "l2"\nwight = 2', "no key 'wight'"),
        ('name = "l2"\nlayer = 8', "no key 'layer'"),
        ('name = "l2"\nweight = "0..1"\nover = 2', "not above 0 and at most 1"),
        ('name = "l2"\nweight = 1\nover = 0.5', "not a number above 0"),
    ],
)
def test_a_table_that_is_no_objective_is_refused(folder: Path, table: str, message: str) -> None:
    write(folder / "otx.toml", f"[[align.objective]]\n{table}\n")
    with pytest.raises(UsageError, match=message):
        load_settings(start=folder)


def test_every_setting_is_described() -> None:
    for kind in SECTIONS.values():
        assert set(field_docs(kind)) == {field.name for field in fields(kind)}


def test_the_projects_own_file_is_what_init_writes_and_changes_nothing() -> None:
    text = (ROOT / "otx.toml").read_text()
    assert text == template()
    assert all(table == {} for table in tomli.loads(text).values())


def test_what_the_template_comments_out_are_the_defaults(folder: Path) -> None:
    lines = [
        line.removeprefix("#") if line[:2] != "# " else line for line in template().splitlines()
    ]
    settings = load_settings(start=write(folder / "otx.toml", "\n".join(lines)).parent)
    assert settings.as_dict() == Settings().as_dict()
    assert len(settings.given) == 10


def test_editing_a_list_keeps_everything_else(folder: Path) -> None:
    before = "# mine\n[optimizer]  # what\nlr   =  1e-4 # slow\n"
    write(folder / "otx.toml", before)
    edit_list("plugins", "disabled", ["one"])
    edit_list("plugins", "disabled", ["one", "two"])
    assert (folder / "otx.toml").read_text().startswith(before)
    assert load_settings().plugins.disabled == ("one", "two")


def test_editing_begins_a_file_where_there_is_none(folder: Path) -> None:
    edit_list("plugins", "disabled", ["one"])
    assert load_settings().plugins.disabled == ("one",)
    assert [path.name for path in folder.iterdir()] == ["otx.toml"]


@dataclass(frozen=True)
class Required:
    """rate: how much."""

    rate: float


@dataclass(frozen=True)
class Raising:
    """rate: how much."""

    rate: float = 1.0

    def __post_init__(self) -> None:
        raise KeyError(self.rate)


@pytest.mark.parametrize(
    ("options", "complaint"), [(Required, "TypeError: .*'rate'"), (Raising, "KeyError: 1")]
)
def test_options_that_cannot_be_made_are_named_with_their_plugin(
    options: type[object], complaint: str
) -> None:
    entry = Entry("objective", "odd", "bad:Odd", "odd", options, "bad-obj")
    with pytest.raises(PluginError, match=f"^objective 'odd' of bad-obj: {complaint}"):
        entry.read_options(Settings())


def test_adding_a_recipe_or_flags_later_is_like_giving_them_at_once(folder: Path) -> None:
    write(folder / "otx.toml", "[runs]\nfolder = 'r'\n[align]\nsteps = 9\n[pull]\nepsilon = 1\n")
    recipe = write(folder / "long.toml", "[align]\nepochs = 3\n[pull]\nepsilon = 2\ncost = 'a'\n")
    flags, late = {"align.seed": 4, "pull.cost": "b"}, {"pull.size": 5, "align.seed": 6}
    sets = ["pull.size=7", "plugins.prefer.pull=mine"]
    at_once = load_settings(flags=flags | late, sets=sets, recipe=recipe)
    later = overlaid(overlaid(load_settings(flags=flags, sets=sets), recipe=recipe), flags=late)
    assert later.as_dict() == at_once.as_dict() and later.origins() == at_once.origins()
    python = load_settings(sets=["align.seed=2"], arguments={"align.seed": 3, "runs.folder": "x"})
    assert (python.align.seed, python.runs.folder) == (3, "x")
    assert python.origin("align.seed") == "argument"


def test_arguments_come_over_everything_without_reading_the_file_again(folder: Path) -> None:
    file = write(folder / "otx.toml", "[align]\nsteps = 5\nseed = 3\n")
    settings = load_settings(sets=["optimizer.clip=2"])
    file.unlink()
    changed = overlaid(settings, arguments={"align.epochs": 2.0, "optimizer.clip": 4.0})
    assert (changed.align.seed, changed.align.epochs, changed.align.steps) == (3, 2.0, None)
    assert changed.optimizer.clip == 4.0 and changed.origin("optimizer.clip") == "argument"
