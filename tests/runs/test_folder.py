import json
import math
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import DataError, OTXError, UsageError
from otx.runs.folder import RunFolder, all_runs, damaged_runs, untouched_runs
from otx.runs.names import run_names
from otx.types import Problem
from tests.examples import examples

HOLD = """
import sys, time
from pathlib import Path
from otx.runs.folder import RunFolder
run = RunFolder(Path(sys.argv[1]))
with run.claim(sys.argv[2]) if sys.argv[2:] else run.lock():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "one", kind="align", settings={"align": {"lr": 0.1}})


def test_the_record_is_on_disk_at_once(run: RunFolder) -> None:
    record = json.loads((run.path / "run.json").read_text())
    assert record == run.record
    assert record["schema"] == 2
    assert (record["name"], record["kind"], record["status"]) == ("one", "align", "created")
    assert record["settings"] == {"align": {"lr": 0.1}}


def test_updates_survive_opening_again(tmp_path: Path, run: RunFolder) -> None:
    run.update(status="finished", verdict=["größer"])
    again = RunFolder.open(tmp_path, "one")
    assert again.record == run.record
    assert again.record["verdict"] == ["größer"]


def test_an_update_that_cannot_be_written_changes_nothing(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OTXError):
        patched.setattr("pathlib.Path.replace", fail)
        run.update(status="finished")
    assert run.record["status"] == "created"
    assert RunFolder(run.path).record["status"] == "created"


def test_a_taken_name_is_refused(tmp_path: Path, run: RunFolder) -> None:
    run.update(status="interrupted")
    with pytest.raises(UsageError, match="already exists: a run with status interrupted") as caught:
        RunFolder.create(tmp_path, "one", kind="align", settings={})
    assert "--resume one" in str(caught.value.remedy)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["", ".hidden", "-flag", "a/b", "..", "a\\b", "a\nb"])
def test_names_that_are_no_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        RunFolder.create(tmp_path / "runs", name, kind="align", settings={})


def test_names_with_spaces_and_other_scripts_are_fine(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, "мой run", kind="align", settings={}).update(status="finished")
    assert RunFolder.open(tmp_path, "мой run").name == "мой run"


def test_generated_names_are_readable_and_unique(tmp_path: Path) -> None:
    made = [
        RunFolder.create(tmp_path, kind="align", settings={}, stem="0.5*sinkhorn/mini")
        for _ in range(3)
    ]
    names = [run.name for run in made]
    assert len(set(names)) == 3
    assert all(name.startswith("0.5-sinkhorn-mini-20") for name in names)


@examples(30)
@given(stem=st.text(max_size=20))
def test_any_stem_gives_a_folder(tmp_path_factory: pytest.TempPathFactory, stem: str) -> None:
    root = tmp_path_factory.mktemp("stems")
    run = RunFolder.create(root, kind="align", settings={}, stem=stem)
    assert run.path.parent == root
    assert run_names(root) == [run.name]


def test_an_unknown_name_gets_a_suggestion(tmp_path: Path, run: RunFolder) -> None:
    with pytest.raises(UsageError, match="no run 'onne'") as caught:
        RunFolder.open(tmp_path, "onne")
    assert caught.value.remedy == "did you mean 'one'?"
    with pytest.raises(UsageError) as caught:
        RunFolder.open(tmp_path / "nowhere", "one")
    assert caught.value.remedy == "create one with: otx align"


def test_what_is_not_a_run_is_not_listed(tmp_path: Path, run: RunFolder) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "run.json").write_text("{}")
    (tmp_path / "file").write_text("")
    assert [run.name for run in all_runs(tmp_path)] == ["one"]


def test_newest_is_the_one_created_last_of_its_kind_and_status(tmp_path: Path) -> None:
    for place, (name, status) in enumerate(
        [("b", "finished"), ("a", "finished"), ("c", "failed"), ("d", "finished")]
    ):
        kind = "untouched" if name == "d" else "align"
        run = RunFolder.create(tmp_path, name, kind=kind, settings={})
        run.update(status=status, created=f"2026-01-0{place + 1}T00:00:00+00:00")
    assert RunFolder.newest(tmp_path).name == "a"
    assert RunFolder.newest(tmp_path, status="failed").name == "c"
    assert RunFolder.newest(tmp_path, kind="untouched").name == "d"
    with pytest.raises(UsageError, match="no interrupted align run"):
        RunFolder.newest(tmp_path, status="interrupted")


def test_the_untouched_encoder_has_one_folder_a_digest(tmp_path: Path) -> None:
    first = RunFolder.untouched(tmp_path, "org/xlm-r", "0123456789abcdef")
    first.update(note="kept")
    again = RunFolder.untouched(tmp_path, "org/xlm-r", "0123456789abcdef")
    other = RunFolder.untouched(tmp_path, "org/xlm-r", "fedcba9876543210")
    assert first.name == "untouched-xlm-r-01234567"
    assert again.record == first.record
    assert other.name != first.name
    assert again.record["model_digest"] == "0123456789abcdef"
    assert again.record["model"] == "org/xlm-r"


def test_untouched_encoders_are_found_among_runs_that_cannot_be_read(tmp_path: Path) -> None:
    made = RunFolder.untouched(tmp_path, "mini", "0123456789abcdef")
    RunFolder.create(tmp_path, "untouched-by-name-only", kind="align", settings={})
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text("{")
    assert [run.name for run in untouched_runs(tmp_path)] == [made.name]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "\xff"])
def test_a_damaged_record_is_named(run: RunFolder, text: str) -> None:
    (run.path / "run.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"run\.json is not a run's record"):
        RunFolder(run.path)


def test_another_schema_gives_advice(run: RunFolder) -> None:
    (run.path / "run.json").write_text('{"schema": 3}')
    with pytest.raises(DataError, match="has schema 3, and this otx reads 2") as caught:
        RunFolder(run.path)
    assert "update otx" in str(caught.value.remedy)


def test_a_released_run_still_opens() -> None:
    run = RunFolder.open(Path(__file__).parent / "released", "schema-1")
    assert run.record["objectives"] == ["sinkhorn"]
    assert run.metrics() == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]
    assert run.problems() == [Problem("de.txt", 3, "empty", "one side is empty")]


def test_metrics_come_back_as_they_were_written(run: RunFolder) -> None:
    assert run.metrics() == []
    run.append_metrics({"step": 1, "loss": 0.1 + 0.2})
    run.append_metrics({"step": 2, "loss": math.nan, "norm": math.inf})
    first, second = run.metrics()
    assert first == {"step": 1, "loss": 0.1 + 0.2}
    assert math.isnan(second["loss"])
    assert second["norm"] == math.inf


def test_a_row_is_on_disk_as_soon_as_it_is_added(run: RunFolder) -> None:
    run.append_metrics({"step": 1})
    assert (run.path / "metrics.jsonl").read_text() == '{"step": 1}\n'


def test_rewinding_drops_later_rows_and_a_torn_one(run: RunFolder) -> None:
    for step in (1, 2, 3):
        run.append_metrics({"step": step, "loss": 1 / step})
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    assert len(run.metrics()) == 3
    run.rewind(2)
    run.append_metrics({"step": 3, "loss": 0.5})
    assert [row["step"] for row in run.metrics()] == [1, 2, 3]
    run.rewind(0)
    assert run.metrics() == []


def test_a_damaged_row_is_named(run: RunFolder) -> None:
    (run.path / "metrics.jsonl").write_text('{"step": 1}\nnonsense\n{"step": 3}\n')
    with pytest.raises(DataError, match=r"metrics\.jsonl:2 is damaged"):
        run.metrics()


def test_problems_come_back(run: RunFolder) -> None:
    problems = [
        Problem("de.txt", 3, "empty", "no text"),
        Problem("zh.txt", 5, "utf-8", "第\u2028行"),
    ]
    run.add_problems(problems[:1])
    run.add_problems(problems[1:])
    assert run.problems() == problems


@pytest.fixture
def holder(run: RunFolder) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts a process that holds the run's lock, or a claim of the name given."""
    started: list[subprocess.Popen[str]] = []

    def start(*claim: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(run.path), *claim], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_second_process_is_told_who_holds_the_lock(
    run: RunFolder, holder: Callable[[], "subprocess.Popen[str]"]
) -> None:
    process = holder()
    for _ in range(2):
        with pytest.raises(OTXError, match=f"run one is locked by pid {process.pid}"), run.lock():
            pytest.fail("two processes hold the lock")


def test_the_lock_of_a_killed_process_is_free(
    run: RunFolder, holder: Callable[[], "subprocess.Popen[str]"]
) -> None:
    process = holder()
    process.send_signal(signal.SIGKILL)
    process.wait()
    with run.lock():
        pass


def test_the_lock_is_free_after_an_error_within(run: RunFolder) -> None:
    with pytest.raises(ValueError), run.lock():
        raise ValueError
    with run.lock():
        pass


def test_claims_are_apart_from_one_another_and_from_the_lock(run: RunFolder) -> None:
    with run.lock(), run.claim("one") as first, run.claim("other") as second:
        assert first is None and second is None


def test_a_claimed_piece_names_its_holder_until_that_ends(
    run: RunFolder, holder: Callable[..., "subprocess.Popen[str]"]
) -> None:
    process = holder("piece")
    with run.claim("piece") as pid:
        assert pid == str(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with run.claim("piece") as pid:
        assert pid is None


WORK = ["checkpoints/step-00000001", "model", "eval/nli", "heads/nli-1"]


@pytest.mark.parametrize(
    "text", [None, "", "{", '{"schema": 2, "na', "[]", "[" * 100_000, '{"schema": 2}']
)
@pytest.mark.parametrize("work", [None, *WORK])
def test_a_folder_without_a_whole_record_gets_one_answer(
    tmp_path: Path, text: str | None, work: str | None
) -> None:
    folder = tmp_path / "stub"
    folder.mkdir()
    if text is not None:
        (folder / "run.json").write_text(text)
    if work is not None:
        (folder / work).mkdir(parents=True)
        (folder / work / "file").touch()
    answers = []
    for ask in (
        lambda: RunFolder.open(tmp_path, "stub"),
        lambda: RunFolder.create(tmp_path, "stub", kind="align", settings={}),
    ):
        with pytest.raises(DataError) as caught:
            ask()
        answers.append((caught.value.message, caught.value.remedy))
    assert answers[0] == answers[1]
    assert "stub" in answers[0][0]
    assert ("remove" in str(answers[0][1])) == (work is None)
    assert ("keep the folder" in str(answers[0][1])) == (work is not None)


def test_a_run_that_has_not_begun_gets_one_answer(tmp_path: Path, run: RunFolder) -> None:
    for ask in (
        lambda: RunFolder.open(tmp_path, "one"),
        lambda: RunFolder.create(tmp_path, "one", kind="align", settings={}),
    ):
        with pytest.raises(DataError, match="run one was stopped before it began"):
            ask()


@pytest.mark.parametrize(
    ("status", "kind", "part"),
    [
        ("finished", "align", "is a finished run"),
        ("failed", "align", "--resume one"),
        ("running", "align", "--resume one"),
        ("finished", "untouched", "results of an untouched encoder"),
    ],
)
def test_a_taken_name_is_answered_by_what_has_it(
    tmp_path: Path, run: RunFolder, status: str, kind: str, part: str
) -> None:
    run.update(status=status, kind=kind)
    with pytest.raises(UsageError) as caught:
        RunFolder.create(tmp_path, "one", kind="align", settings={})
    assert part in str(caught.value) and ("--resume" in part or "--resume" not in str(caught.value))


def test_damaged_records_do_not_hide_the_others(tmp_path: Path, run: RunFolder) -> None:
    for name, text in (("broken", "{"), ("untouched-broken", "[]"), ("deep", "[" * 100_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    assert [other.name for other in all_runs(tmp_path)] == ["one"]
    messages = [error.message for error in damaged_runs(tmp_path)]
    assert len(messages) == 3 and all("is not a run's record" in text for text in messages)
    run.update(status="finished")
    assert RunFolder.newest(tmp_path).name == "one"


WRONG = {
    "kind": None, "status": 3, "created": [], "settings": [], "corpora": None, "terms": [], "versions": {"a": 1},
    "guards": {"before": {"x": None}}, "verdict": "x", "loss": {}, "inexact": [{}], "best": 3, "lr": "fast",
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_field_of_another_type_is_named(run: RunFolder, name: str) -> None:
    record = {**run.record, name: WRONG[name]}
    (run.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=rf"not a run's record: run\.json: '{name}"):
        RunFolder(run.path)


ROWS = [
    "{}",
    "3",
    "nonsense",
    '{"step": "2"}',
    '{"step": null}',
    "[" * 100_000,
    '{"step": ' + "9" * 5000 + "}",
]


@pytest.mark.parametrize("row", [*(row.encode() for row in ROWS), b"\xff\xfe"])
def test_a_damaged_row_of_any_kind_is_named(run: RunFolder, row: bytes) -> None:
    (run.path / "metrics.jsonl").write_bytes(b'{"step": 1}\n' + row + b'\n{"step": 3}\n')
    with pytest.raises(DataError, match=r"metrics\.jsonl:2 is damaged") as caught:
        run.rewind(1)
    assert caught.value.remedy
    (run.path / "problems.jsonl").write_bytes(row + b"\n")
    with pytest.raises(DataError, match=r"problems\.jsonl:1 is damaged"):
        run.problems()


@pytest.mark.parametrize(
    ("steps", "missing"), [([], 1), ([1, 2], 3), ([1, 3], 2), ([2, 3], 1), ([1, 1, 2, 3], 2), ([2, 1, 3], 1)]
)  # fmt: skip
def test_rows_that_are_gone_are_noticed(run: RunFolder, steps: list[int], missing: int) -> None:
    for step in steps:
        run.append_metrics({"step": step})
    before = run.metrics()
    with pytest.raises(DataError, match=f"the row of step {missing} is missing or out of order"):
        run.rewind(3)
    assert run.metrics() == before
