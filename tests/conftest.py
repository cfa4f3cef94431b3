"""Set up every test session: no network, a cache of its own, the folder of the real data, and a count of skips.

Hypothesis draws the same examples everywhere unless ``--hypothesis-profile=fuzz`` is given (``make fuzz``), and a fifth
of them with the profile ``fast`` (``make test-fast``).
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

pytest_plugins = ["tests.alignments"]

ROOT = Path(__file__).parent.parent
SHARED_DATA = Path(os.environ.get("OTX_TEST_DATA") or ROOT.parent / "shared" / "data")
"""Folder of the real data."""
ABSENT = "shared data absent"
LOOPBACK = ("127.0.0.1", "::1", "localhost")

Otx = Callable[..., subprocess.CompletedProcess[str]]
"""Runs the command line: arguments, and environment variables by keyword."""

skips: Counter[str] = Counter()
whole_modules: Counter[str] = Counter()
"""Skips while collecting, which a pytest-xdist worker does not report by itself."""

# Processes that tests start run this tree, whatever is installed.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(ROOT), str(ROOT / "plugins"), os.environ.get("PYTHONPATH")])
)

# One thread for each pytest-xdist worker and each process that a test starts. Set before any test imports torch.
for library in ("OMP", "MKL", "OPENBLAS"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# No deadline: a busy machine is no failure.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("fast", max_examples=20, derandomize=True, deadline=None)
settings.register_profile("fuzz", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of the real data. A test that needs it is skipped without it, and never if it exists."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"{ABSENT}: no folder {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session", autouse=True)
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Refuse connections that leave this machine, and remove the caller's cache and plugin settings."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def connect_here(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in LOOPBACK:
            raise ConnectionRefusedError(f"tests have no network: {address}")
        connect(self, address)

    def resolve_here(host: Any, *arguments: Any, **options: Any) -> Any:
        if host not in (None, "", *LOOPBACK):
            raise socket.gaierror(socket.EAI_AGAIN, f"tests have no network: {host}")
        return resolve(host, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_here)
        patch.setattr(socket, "getaddrinfo", resolve_here)
        patch.setenv("OTX_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name in ("OTX_PLUGINS", "OTX_PLUGINS_STRICT", "NO_COLOR", "FORCE_COLOR"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def otx_process(tmp_path: Path) -> Otx:
    """Run the command line in a process, in ``tmp_path`` unless ``cwd`` is given."""

    def run(
        *arguments: str, cwd: Path = tmp_path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from otx.cli import main; main()", *arguments],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    return run


@pytest.fixture
def otx(tmp_path: Path, otx_process: Otx, capfd: pytest.CaptureFixture[str]) -> Otx:
    """Run the command line in ``tmp_path`` unless ``cwd`` is given.

    Runs in this process, which saves the import of torch, unless the environment changes.
    """

    def run(
        *arguments: str, cwd: Path = tmp_path, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        if environment:
            return otx_process(*arguments, cwd=cwd, **environment)
        from otx.cli import run as run_here

        capfd.readouterr()
        with contextlib.chdir(cwd):
            code = run_here(arguments)
        return subprocess.CompletedProcess(arguments, code, *capfd.readouterr())

    return run


@pytest.fixture
def distribution(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that installs a distribution with one plugin, and returns the folder for PYTHONPATH."""
    site = tmp_path / "site"

    def install(
        name: str, code: str, *, module: str | None = None, point: str | None = None
    ) -> Path:
        module = module or name.replace("-", "_")
        site.mkdir(exist_ok=True)
        (site / f"{module}.py").write_text(code)
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[otx]\n{point or module} = {module}\n")
        return site

    return install


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow tests before ``-m`` selects."""
    from tests.speed import mark

    for item in items:
        mark(item)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        skips[report.longrepr[2].removeprefix("Skipped: ")] += 1


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        whole_modules[report.longrepr[2].removeprefix("Skipped: ")] += 1


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Count the skipped modules of a pytest-xdist worker; every worker collects all modules."""
    for why, count in getattr(node, "workeroutput", {}).get("whole_modules", {}).items():
        whole_modules[why] = max(whole_modules[why], count)


def _skipped() -> Counter[str]:
    return skips + whole_modules


def _forbidden() -> int:
    absent = (count for why, count in _skipped().items() if why.startswith(ABSENT))
    return sum(absent) if SHARED_DATA.is_dir() else 0


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["whole_modules"] = dict(whole_modules)
        return
    if _forbidden() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("skipped")
    terminalreporter.write_line(f"{_skipped().total()} tests were skipped")
    for why, count in _skipped().most_common():
        terminalreporter.write_line(f"{count:5d}  {why}")
    if forbidden := _forbidden():
        terminalreporter.write_line(
            f"FAILED: {forbidden} skipped for lack of data that is in {SHARED_DATA}"
        )
