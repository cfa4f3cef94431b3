from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from otx.config.schema import PluginSettings
from otx.config.settings import load_settings
from otx.errors import PluginError, UsageError
from otx.plugin_host import isolation
from otx.plugin_host.discovery import find_installed, installed
from otx.plugin_host.host import PluginHost, PluginRecord, host

Install = Callable[..., Path]

GOOD = """
    from otx import hookimpl

    @hookimpl
    def otx_register(registry):
        registry.objective("{name}", "{name}:Thing", "a good one")
"""


@pytest.fixture
def add(
    distribution: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., None]]:
    """Install a throw-away plugin in this process."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)

    def install(name: str, code: str, **how: str) -> None:
        site = str(distribution(name, dedent(code), **how))
        if site not in sys.path:
            monkeypatch.syspath_prepend(site)

    yield install
    for path in (tmp_path / "site").glob("*.py"):
        if path.stem not in before:
            sys.modules.pop(path.stem, None)


def loaded(**settings: object) -> PluginHost:
    made = PluginHost(PluginSettings(**settings))  # type: ignore[arg-type]
    made.load()
    return made


def record_of(made: PluginHost, name: str) -> PluginRecord:
    (record,) = (one for one in made.records if one.name == name)
    return record


def objectives(made: PluginHost) -> set[str]:
    return {e.name for e in made.registry.entries("objective") if e.distribution != "otx"}


def test_our_own_come_first_through_the_same_door() -> None:
    ours = [plugin for plugin in installed() if plugin.ours]
    assert {plugin.name for plugin in ours} >= {"otx_transport", "otx_tasks"}
    assert [plugin.name for plugin in installed()][: len(ours)] == [plugin.name for plugin in ours]
    made = loaded()
    assert all(record_of(made, plugin.name).status == "loaded" for plugin in ours)
    assert made.registry.find("objective", "sinkhorn").distribution == "otx"


def test_a_plugin_is_recorded_and_its_names_are_found(add: Callable[..., None]) -> None:
    add("good-one", GOOD.format(name="good_one"))
    made = loaded()
    record = record_of(made, "good_one")
    assert (record.distribution, record.version, record.status) == ("good-one", "1.0", "loaded")
    assert record.hooks == ("otx_register",) and record.error is None and record.milliseconds > 0
    assert made.registry.find("objective", "good_one").distribution == "good-one"


FAULTS = {
    "raises_import": ("import no_such_module_anywhere", "no_such_module_anywhere"),
    "raises_syntax": ("def (", "SyntaxError"),
    "leaves": ("import sys\nsys.exit(3)", "sys.exit(3)"),
    "misspells_hook": (
        "from otx import hookimpl\n@hookimpl\ndef otx_registr(registry): pass",
        "unknown hook 'otx_registr'",
    ),
    "misspells_argument": (
        "from otx import hookimpl\n@hookimpl\ndef otx_register(regstry): pass",
        "regstry",
    ),
    "misspells_beside_an_optional_hook": (
        "from otx import hookimpl\n@hookimpl\ndef otx_registr(registry): pass\n"
        "@hookimpl(optionalhook=True)\ndef otx_run_resumed(folder): pass",
        "unknown hook 'otx_registr'",
    ),
    "has_no_mark": ("def otx_register(registry): pass", "it implements no hook"),
    "raises_late": (
        "from otx import hookimpl\n@hookimpl\ndef otx_register(registry):\n"
        "    registry.objective('half', 'a:B', '')\n    raise KeyError('late')",
        "KeyError: 'late'",
    ),
    "leaves_late": (
        "from otx import hookimpl\n@hookimpl\ndef otx_register(registry):\n"
        "    registry.objective('half', 'a:B', '')\n    raise SystemExit",
        "sys.exit(None)",
    ),
    "is_newer": (
        "from otx import hookimpl\n@hookimpl\ndef otx_register(registry):\n"
        "    registry.objective('half', 'a:B', '')\n    registry.require_api(99)",
        "needs plugin API 99",
    ),
    "registers_badly": (
        "from otx import hookimpl\n@hookimpl\ndef otx_register(registry):\n"
        "    registry.objective('half', 'a:B', '')\n    registry.objective('Big', 'a:B', '')",
        "'Big' cannot be the name",
    ),
    "calls_wrongly": (
        "from otx import hookimpl\n@hookimpl\ndef otx_register(registry):\n    registry.sampler('x')",
        "AttributeError",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_recorded_and_rolled_back_and_others_live_on(
    add: Callable[..., None], name: str
) -> None:
    code, reason = FAULTS[name]
    add(name, code)
    add("zz-good", GOOD.format(name="zz_good"))
    made = loaded()
    record = record_of(made, name)
    assert record.status == "failed" and reason in (record.error or "")
    assert "\n" not in (record.error or "") and "Traceback" in (record.trace or "")
    assert objectives(made) == {"zz_good"}
    assert record_of(made, "zz_good").status == "loaded"


def test_an_optional_hook_of_a_newer_otx_is_no_fault(add: Callable[..., None]) -> None:
    code = GOOD.format(name="ahead") + (
        "\n    @hookimpl(optionalhook=True)\n    def otx_run_resumed(folder): pass\n"
    )
    add("ahead", code)
    record = record_of(loaded(), "ahead")
    assert (record.status, record.hooks) == ("loaded", ("otx_register",))


def test_a_disabled_plugin_is_named_where_its_name_is_unknown(add: Callable[..., None]) -> None:
    add("otx-vicreg", GOOD.format(name="vicreg"), point="vicreg")
    with pytest.raises(UsageError) as caught:
        loaded(disabled=("vicreg",)).registry.find("objective", "vicreg")
    assert "is disabled: otx plugins enable vicreg" in (caught.value.remedy or "")
    with pytest.raises(UsageError) as caught:
        loaded(disabled=("otx-vicreg:vicreg",)).registry.find("objective", "vicreg")
    assert "otx plugins enable otx-vicreg:vicreg" in (caught.value.remedy or "")


def test_a_plugin_that_hangs_is_given_up(
    add: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "PATIENCE", 0.2)
    add("sleeper", "import time\ntime.sleep(60)")
    record = record_of(loaded(), "sleeper")
    assert record.status == "failed" and "did not return within 0.2" in (record.error or "")


def test_a_plugin_prints_to_stderr(
    add: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    add(
        "chatty", "print('at import')" + dedent(GOOD.format(name="chatty")) + "    print('in hook')"
    )
    assert record_of(loaded(), "chatty").status == "loaded"
    out, err = capsys.readouterr()
    assert out == "" and err == "at import\nin hook\n"


def test_two_plugins_of_one_name_are_an_error_that_names_both(add: Callable[..., None]) -> None:
    add("alpha", GOOD.format(name="pull"), module="alpha_code", point="twin")
    add("beta", GOOD.format(name="push"), module="beta_code", point="twin")
    made = loaded()
    assert [r.status for r in made.records if r.name == "twin"] == ["loaded", "failed"]
    (error,) = (r.error for r in made.records if r.name == "twin" and r.status == "failed")
    assert "alpha" in (error or "") and "beta" in (error or "")
    assert objectives(made) == {"pull"}
    assert objectives(loaded(disabled=("alpha:twin",))) == {"push"}


def test_nobody_takes_the_name_of_one_of_ours(add: Callable[..., None]) -> None:
    add("aaa", GOOD.format(name="pull"), module="aaa_code", point="otx_transport")
    made = loaded()
    assert [r.status for r in made.records if r.name == "otx_transport"] == ["loaded", "failed"]
    assert made.registry.find("objective", "sinkhorn").distribution == "otx"


def test_one_module_announced_twice_is_loaded_once(add: Callable[..., None]) -> None:
    add("fork", GOOD.format(name="pull"), module="shared_code", point="one")
    add("original", GOOD.format(name="pull"), module="shared_code", point="two")
    made = loaded()
    assert [record_of(made, name).status for name in ("one", "two")] == ["loaded", "failed"]
    assert objectives(made) == {"pull"}


def test_what_two_distributions_bring_is_settled_by_preference(add: Callable[..., None]) -> None:
    for name in ("alpha", "beta"):
        add(name, GOOD.format(name="pull"), module=f"{name}_plugin")
    with pytest.raises(UsageError, match="alpha and by beta"):
        loaded().registry.find("objective", "pull")
    chosen = loaded(prefer={"pull": "beta"})
    assert chosen.registry.find("objective", "pull").distribution == "beta"


def test_damaged_metadata_is_a_fault_like_any_other(
    add: Callable[..., None], tmp_path: Path
) -> None:
    add("broken", "")
    (info,) = (tmp_path / "site").glob("broken*.dist-info")
    (info / "entry_points.txt").write_text("[otx]\nbroken\n")
    made = loaded()
    assert record_of(made, "broken").status == "failed"
    assert "entry_points.txt" in (record_of(made, "broken").error or "")


def test_disabled_plugins_are_not_run(add: Callable[..., None], tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    add("spy", f"open({str(marker)!r}, 'w')")
    assert record_of(loaded(disabled=("spy",)), "spy").status == "disabled"
    assert record_of(loaded(disabled=("spy:spy",)), "spy").status == "disabled"
    assert not marker.exists()


@pytest.mark.parametrize(
    ("only", "statuses"),
    [
        ("", ("disabled", "disabled")),
        ("one", ("loaded", "disabled")),
        ("one, two", ("loaded", "loaded")),
        ("two:two", ("disabled", "loaded")),
    ],
)
def test_the_environment_names_what_is_loaded(
    add: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    only: str,
    statuses: tuple[str, str],
) -> None:
    for name in ("one", "two"):
        add(name, GOOD.format(name=name))
    monkeypatch.setenv("OTX_PLUGINS", only)
    made = loaded()
    assert tuple(record_of(made, name).status for name in ("one", "two")) == statuses
    assert record_of(made, "otx_transport").status == "loaded"


def test_the_environment_may_not_name_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTX_PLUGINS", "nowhere")
    record = record_of(loaded(), "nowhere")
    assert record.status == "failed" and "not installed" in (record.error or "")


def test_strictness_makes_a_failure_an_error(
    add: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    add("leaver", "import sys\nsys.exit(3)")
    host(load_settings())
    monkeypatch.setenv("OTX_PLUGINS_STRICT", "1")
    with pytest.raises(PluginError, match="leaver"):
        host(load_settings())


OBSERVER = """
    from otx import hookimpl
    seen = []

    @hookimpl
    def otx_step_finished(step):
        seen.append(step)
        {then}
"""


def test_observers_are_called_one_by_one_and_their_failures_told(
    add: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add("aa-raises", OBSERVER.format(then="raise ValueError('no disk')"))
    add("bb-leaves", OBSERVER.format(then="raise SystemExit(2)"))
    add("cc-prints", OBSERVER.format(then="print('step')"))
    made = loaded()
    for step in (1, 2):
        failures = made.notify("otx_step_finished", folder=tmp_path, step=step, metrics={})
        assert failures == [
            "plugin aa-raises:aa_raises, otx_step_finished: ValueError: no disk",
            "plugin bb-leaves:bb_leaves, otx_step_finished: it called sys.exit(2)",
        ]
    for name in ("aa_raises", "bb_leaves", "cc_prints"):
        assert sys.modules[name].seen == [1, 2]
    assert capsys.readouterr() == ("", "step\nstep\n")
    assert made.notify("otx_run_finished", folder=tmp_path, status="finished") == []


def test_an_observer_that_hangs_is_not_called_again(
    add: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("hanger", OBSERVER.format(then="import time; time.sleep(60)"))
    made = loaded()
    monkeypatch.setattr(isolation, "PATIENCE", 0.2)
    told = [
        made.notify("otx_step_finished", folder=tmp_path, step=step, metrics={}) for step in (1, 2)
    ]
    assert len(told[0]) == 1 and "did not return" in told[0][0] and told[1] == []
    assert sys.modules["hanger"].seen == [1]


def test_a_plugin_that_failed_does_not_observe(add: Callable[..., None], tmp_path: Path) -> None:
    code = (
        OBSERVER.format(then="pass")
        + "\n    @hookimpl\n    def otx_register(registry): raise OSError"
    )
    add("half-watcher", code)
    made = loaded()
    made.notify("otx_step_finished", folder=tmp_path, step=1, metrics={})
    assert sys.modules["half_watcher"].seen == []


def test_a_table_that_belongs_to_nobody_is_refused(tmp_path: Path) -> None:
    (tmp_path / "otx.toml").write_text("[sinkhron]\nepsilon = 1\n")
    settings = load_settings(start=tmp_path)
    with pytest.raises(UsageError) as caught:
        host(settings)
    assert caught.value.message.endswith("otx.toml:2: unknown table [sinkhron]")
    assert caught.value.remedy == "did you mean 'sinkhorn'?"


def test_a_table_of_a_plugin_that_is_not_loaded_stands(
    add: Callable[..., None], tmp_path: Path
) -> None:
    add("mover", GOOD.format(name="earthmover"))
    text = '[plugins]\ndisabled = ["mover"]\n[earthmover]\nx = 1\n'
    (tmp_path / "otx.toml").write_text(text)
    host(load_settings())
    (tmp_path / "otx.toml").write_text(text + "[sinkhron]\nepsilon = 1\n")
    with pytest.raises(UsageError, match="sinkhron"):
        host(load_settings())
    (tmp_path / "otx.toml").write_text("[earthmover]\nx = 1\n")
    host(load_settings())


def test_an_installed_plugin_is_found_by_name(add: Callable[..., None]) -> None:
    add("alpha", "", module="alpha_m", point="twin")
    add("beta", "", module="beta_m", point="twin")
    assert find_installed("alpha:twin", installed()).distribution == "alpha"
    with pytest.raises(UsageError, match="several"):
        find_installed("twin", installed())
    with pytest.raises(UsageError, match="no plugin 'twinn'") as caught:
        find_installed("twinn", installed())
    assert caught.value.remedy == "did you mean 'twin'?"
