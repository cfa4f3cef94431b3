"""One bad plugin never takes the tool with it: nine faults, three commands, and the way to mend it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]
Install = Callable[..., Path]

HOOK = "from otx import hookimpl\n@hookimpl\ndef otx_register(registry):\n"
OPTIONS = (
    "from dataclasses import dataclass\nfrom pathlib import Path\n@dataclass(frozen=True)\n"
    "class Options:\n    where: Path = Path('.')\n"
)
GOOD = HOOK + "    registry.objective('welcome', 'good:Thing', 'a good neighbour')\n"
HALF = "    registry.objective('half', 'bad:Thing', 'never seen')\n"

FAULTS = {
    "import-error": ("import no_such_module_anywhere\n", "no_such_module_anywhere"),
    "system-exit": ("import sys\nsys.exit(3)\n", "sys.exit(3)"),
    "hangs": ("import time\ntime.sleep(60)\n", "did not return within 5 seconds"),
    "wrong-hook": (HOOK.replace("otx_register", "otx_registers") + "    pass\n", "otx_registers"),
    "wrong-argument": (HOOK.replace("(registry)", "(register)") + "    pass\n", "register"),
    "raises-in-hook": (HOOK + HALF + "    raise RuntimeError('no luck')\n", "no luck"),
    "options-of-another-type": (
        OPTIONS + HOOK + HALF + "    registry.objective('path', 'bad:Thing', 'x', Options)\n",
        "field 'where'",
    ),
    "summary-is-no-text": (
        HOOK + HALF + "    registry.objective('x', 'bad:Thing', 3)\n",
        "summary",
    ),
    "newer-contract": (HOOK + HALF + "    registry.require_api(99)\n", "API 99"),
}


@pytest.fixture
def with_bad(distribution: Install) -> Callable[[str], str]:
    """Install a bad plugin beside a good one; returns the PYTHONPATH."""

    def install(code: str) -> str:
        distribution("good", GOOD)
        return str(distribution("bad", "open('ran', 'w').close()\n" + code))

    return install


def named(rows: str, key: str, value: str) -> list[dict[str, object]]:
    return [row for row in json.loads(rows) if row[key] == value]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_tool_works_and_says_what_failed(
    otx: Run, with_bad: Callable[[str], str], tmp_path: Path, fault: str
) -> None:
    code, reason = FAULTS[fault]
    path = with_bad(code)

    helped = otx("--help", PYTHONPATH=path)
    assert (helped.returncode, helped.stderr) == (0, "") and "Usage: otx" in helped.stdout
    assert not (tmp_path / "ran").exists()

    listed = otx("plugins", "list", "--json", PYTHONPATH=path)
    assert listed.returncode == 0 and listed.stderr == ""
    (record,) = named(listed.stdout, "name", "bad")
    assert record["status"] == "failed" and reason in str(record["error"])
    assert named(listed.stdout, "name", "good")[0]["status"] == "loaded"

    objectives = otx("list", "objectives", "--json", PYTHONPATH=path)
    assert objectives.returncode == 0
    names = {row["name"] for row in json.loads(objectives.stdout)}
    assert {"sinkhorn", "welcome"} <= names and "half" not in names
    (line,) = objectives.stderr.splitlines()
    assert line.startswith("warning: plugin bad (bad) failed: ") and reason in line


def test_a_plugin_that_prints_leaves_stdout_clean(otx: Run, with_bad: Callable[[str], str]) -> None:
    path = with_bad("print('noise')\n" + HOOK + "    print('more')\n")
    listed = otx("plugins", "list", "--json", PYTHONPATH=path)
    assert named(listed.stdout, "name", "bad")[0]["status"] == "loaded"
    objectives = otx("list", "objectives", "--json", PYTHONPATH=path)
    assert json.loads(objectives.stdout) and objectives.stderr == "noise\nmore\n"
    assert "noise" not in otx("--help", PYTHONPATH=path).stdout


def test_two_plugins_of_one_name(otx: Run, distribution: Install) -> None:
    distribution("alpha", GOOD, module="alpha_code", point="twin")
    path = str(distribution("beta", GOOD, module="beta_code", point="twin"))
    assert otx("--help", PYTHONPATH=path).returncode == 0
    listed = otx("plugins", "list", "--json", PYTHONPATH=path)
    twins = named(listed.stdout, "name", "twin")
    assert [twin["status"] for twin in twins] == ["loaded", "failed"]
    assert "alpha and beta both have a plugin named 'twin'" in str(twins[1]["error"])
    objectives = otx("list", "objectives", "--json", PYTHONPATH=path)
    assert objectives.returncode == 0 and len(named(objectives.stdout, "name", "welcome")) == 1
    settled = otx("plugins", "disable", "alpha:twin", PYTHONPATH=path)
    assert settled.returncode == 0
    after = otx("list", "objectives", "--json", PYTHONPATH=path)
    assert after.stderr == "" and len(named(after.stdout, "name", "welcome")) == 1


def test_a_name_that_two_plugins_bring_is_listed_with_its_owners(
    otx: Run, distribution: Install
) -> None:
    distribution("alpha", GOOD)
    path = str(distribution("beta", GOOD))
    listed = otx("list", "objectives", "--json", PYTHONPATH=path)
    owners = [row["distribution"] for row in named(listed.stdout, "name", "welcome")]
    assert owners == ["alpha", "beta"] and listed.stderr == ""


def test_the_way_to_mend_it(otx: Run, with_bad: Callable[[str], str], tmp_path: Path) -> None:
    path = with_bad("import sys\nsys.exit(3)\n")

    without = otx("--no-plugins", "list", "objectives", PYTHONPATH=path)
    assert (without.returncode, without.stderr) == (0, "") and "welcome" not in without.stdout
    assert otx("list", "objectives", "--no-plugins", PYTHONPATH=path).stdout == without.stdout
    assert not (tmp_path / "ran").exists()

    disabled = otx("plugins", "disable", "bad", PYTHONPATH=path)
    assert disabled.returncode == 0 and not (tmp_path / "ran").exists()
    after = otx("list", "objectives", PYTHONPATH=path)
    assert (after.returncode, after.stderr) == (0, "") and "welcome" in after.stdout
    listed = otx("plugins", "list", "--json", PYTHONPATH=path)
    assert named(listed.stdout, "name", "bad")[0]["status"] == "disabled"
    assert not (tmp_path / "ran").exists()

    enabled = otx("plugins", "enable", "bad", PYTHONPATH=path)
    assert enabled.returncode == 0 and not (tmp_path / "ran").exists()
    assert "sys.exit(3)" in otx("list", "objectives", PYTHONPATH=path).stderr


def test_the_doctor_shows_the_whole_failure(
    otx: Run, with_bad: Callable[[str], str], tmp_path: Path
) -> None:
    path = with_bad("def broken():\n    raise ValueError('deep inside')\nbroken()\n")
    seen = otx("doctor", PYTHONPATH=path)
    assert seen.returncode == 4, seen.stdout + seen.stderr
    assert "ValueError: deep inside" in seen.stdout and "in broken" in seen.stdout
    assert "Traceback" in seen.stdout and "Traceback" not in seen.stderr


def test_strictness_is_for_work_and_not_for_repair(
    otx: Run, with_bad: Callable[[str], str]
) -> None:
    path = with_bad("import no_such_module_anywhere\n")
    refused = otx("list", "objectives", PYTHONPATH=path, OTX_PLUGINS_STRICT="1")
    assert refused.returncode == 4 and refused.stdout == ""
    assert refused.stderr.startswith("error: plugin bad (bad) failed: ")
    for repair in (("--help",), ("plugins", "list"), ("plugins", "disable", "bad")):
        assert otx(*repair, PYTHONPATH=path, OTX_PLUGINS_STRICT="1").returncode == 0


def test_only_what_the_environment_names_is_loaded(
    otx: Run, with_bad: Callable[[str], str], tmp_path: Path
) -> None:
    path = with_bad("import no_such_module_anywhere\n")
    listed = otx("list", "objectives", PYTHONPATH=path, OTX_PLUGINS="good")
    assert listed.stderr == "" and "welcome" in listed.stdout
    assert not (tmp_path / "ran").exists()


def test_a_broken_settings_file_does_not_stop_the_doctor(otx: Run, tmp_path: Path) -> None:
    (tmp_path / "otx.toml").write_text("[align\n")
    seen = otx("doctor", "--json")
    assert seen.returncode == 1
    assert "cannot be read" in json.loads(seen.stdout)["settings"]["error"]


def test_the_doctor_fails_where_a_name_is_not_settled(
    otx: Run, distribution: Install, tmp_path: Path
) -> None:
    """A stranger's objective of the name of our encoder: both would own the table [mini]."""
    path = str(distribution("aaa", HOOK + "    registry.objective('mini', 'aaa:Thing', 'x')\n"))
    seen = otx("doctor", "--json", PYTHONPATH=path)
    (clash,) = json.loads(seen.stdout)["clashes"]
    assert seen.returncode == 4 and "otx and by aaa as an objective" in clash["names"]
    assert 'prefer = {mini = "otx"}' in clash["remedy"]
    refused = otx("align", "--dry-run", PYTHONPATH=path)
    assert refused.returncode == 2 and "otx and by aaa" in refused.stderr
    (tmp_path / "otx.toml").write_text('[plugins]\nprefer = {mini = "otx"}\n')
    assert otx("doctor", PYTHONPATH=path).returncode == 0
