"""The mission: align XLM-R by optimal transport, evaluate on XQuAD, and compare, in three commands.

The commands are the mission's own, letter by letter, and run as processes. What they fetch comes from a Hub on this
machine with tiny repositories. An otx.toml in the working folder reduces sizes only.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.mission.loopback_hub import LoopbackHub
from tests.mission.repositories import OTHER_FORMATS, SENTENCES, TOWNS, XLMR, publish_all
from tests.readme import write_package

ALIGN = "otx align --objective sinkhorn --model xlm-roberta-base"
EVAL = "otx eval xquad"
COMPARE = "otx compare"

SIZES = """
[align]
steps = 2
[data]
batch_tokens = 256
heldout = 12
[diagnostics]
candidates = 24
[eval]
checks = 1
[compare]
samples = 100
[xquad]
epochs = 1
batch = 8
"""

LEAK_GUARD = """
import os, socket

def connect(self, address, connect=socket.socket.connect):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        with open(os.environ["OTX_TEST_LEAKS"], "a") as file:
            file.write(f"{address}\\n")
        raise ConnectionRefusedError(f"tests have no network: {address}")
    return connect(self, address)

socket.socket.connect = connect
"""
"""A sitecustomize that refuses and records every connection that leaves this machine."""


@dataclass
class Workplace:
    """An empty folder of a user whose Hub is the one on this machine.

    Attributes:
        folder: The working folder.
        site: Folder of installed packages.
        hub: The Hub.
        environment: Environment of the commands.
    """

    folder: Path
    site: Path
    hub: LoopbackHub
    environment: dict[str, str]

    def run(self, command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command line; the test fails with its standard error unless it succeeds."""
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done

    def units(self) -> list[tuple[str, str]]:
        """Return run and language of every unit of head seed 1, without baselines."""
        paths = (self.folder / "runs").glob("*/eval/xquad/*.1.*.json")
        return sorted((path.parts[-4], path.name.split(".")[0]) for path in paths)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """Serve the Hub and prepare the folders."""
    root = tmp_path_factory.mktemp("mission")
    folder, site = root / "work", root / "site"
    folder.mkdir()
    site.mkdir()
    (folder / "otx.toml").write_text(SIZES)
    (site / "sitecustomize.py").write_text(LEAK_GUARD)
    hub = LoopbackHub()
    publish_all(hub, root / "repositories")
    scripts = Path(sys.executable).parent
    with hub.serve() as url:
        own = {
            "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]),
            "OTX_CACHE": str(root / "cache"),
            "OTX_TEST_LEAKS": str(root / "leaks.txt"),
            "HF_HOME": str(root / "hf"),
            "HF_ENDPOINT": url,
            "NO_PROXY": "127.0.0.1,localhost",
        }
        inherited = {name: value for name, value in os.environ.items() if name[:3] != "HF_"}
        yield Workplace(folder, site, hub, inherited | own)
    leaks = root / "leaks.txt"
    assert not leaks.exists(), leaks.read_text()


@pytest.fixture(scope="module")
def aligned(workplace: Workplace) -> subprocess.CompletedProcess[str]:
    """Run the first command."""
    return workplace.run(ALIGN)


@pytest.fixture(scope="module")
def evaluated(
    workplace: Workplace, aligned: subprocess.CompletedProcess[str]
) -> subprocess.CompletedProcess[str]:
    """Run the second command after the first."""
    return workplace.run(EVAL)


def test_align_follows_the_renamed_model_and_writes_a_run(
    workplace: Workplace, aligned: subprocess.CompletedProcess[str]
) -> None:
    (record,) = (workplace.folder / "runs").glob("*/run.json")
    run = json.loads(record.read_text())
    assert (run["status"], run["model"]) == ("finished", "xlm-roberta-base")
    assert run["model_digest"] != run["model_digest_before"]
    assert (record.parent / "model/model.safetensors").is_file()
    assert f"runs/{record.parent.name}" in aligned.stdout
    assert ("GET", "/api/models/xlm-roberta-base/revision/main") in workplace.hub.requests
    assert ("GET", f"/api/models/{XLMR}/revision/main") in workplace.hub.requests


def test_only_safetensors_and_the_tokenizer_were_downloaded(
    workplace: Workplace, aligned: subprocess.CompletedProcess[str]
) -> None:
    names = workplace.hub.downloads()
    assert "model.safetensors" in names and "tokenizer.json" in names
    assert not set(names) & set(OTHER_FORMATS)


def test_eval_measures_the_run_and_the_model_it_began_with(
    workplace: Workplace, evaluated: subprocess.CompletedProcess[str]
) -> None:
    units = workplace.units()
    runs = {run for run, _ in units}
    assert len(runs) == 2 and any("xlm-roberta-base" in run for run in runs)
    assert sorted({language for _, language in units}) == sorted(SENTENCES)
    assert len(units) == 2 * len(SENTENCES)
    rows = [line.split() for line in evaluated.stdout.splitlines() if line.startswith("xquad")]
    of_runs = [row for row in rows if row[2] in runs]
    assert len(of_runs) == len(units)
    assert all(row[4] == str(len(TOWNS)) for row in of_runs)


def test_compare_prints_both_with_their_difference(
    workplace: Workplace, evaluated: subprocess.CompletedProcess[str]
) -> None:
    table = workplace.run(COMPARE).stdout
    first, header = table.splitlines()[:2]
    assert first.startswith("xquad · ") and f"{len(TOWNS)} examples each" in first
    assert header.split()[1 : 1 + len(SENTENCES)] == ["en", *sorted(set(SENTENCES) - {"en"})]
    assert re.search(r"^sinkhorn ", table, re.MULTILINE)


def test_an_installed_objective_of_a_third_party_joins_the_comparison_without_the_hub(
    workplace: Workplace, evaluated: subprocess.CompletedProcess[str]
) -> None:
    """The second evaluation computes nothing again, and nothing asks the Hub again."""
    package = write_package(workplace.folder.parent / "package")
    pip = f"{sys.executable} -m pip install --quiet --no-index --no-deps --no-build-isolation"
    workplace.run(f"{pip} --target {workplace.site} {package}")
    requests = len(workplace.hub.requests)
    before = {path: path.stat().st_mtime_ns for path in workplace.folder.glob("runs/*/eval/**/*")}
    workplace.run(ALIGN.replace("sinkhorn", "centroid"))
    workplace.run(EVAL)
    assert workplace.hub.requests[requests:] == []
    assert {path: path.stat().st_mtime_ns for path in before if path.is_file()} == {
        path: time for path, time in before.items() if path.is_file()
    }
    assert len({run for run, _ in workplace.units()}) == 3
    table = workplace.run(COMPARE).stdout
    assert re.search(r"^sinkhorn ", table, re.MULTILINE)
    assert re.search(r"^centroid ", table, re.MULTILINE)
