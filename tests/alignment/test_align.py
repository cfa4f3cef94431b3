"""Whole alignments of a tiny encoder: what lies in the folder, exact resume, refusals, controls."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from otx.alignment.trainable import TrainableAlignment
from otx.cli import run as otx
from otx.config.objective_term import COLUMNS
from otx.config.settings import load_settings
from otx.plugin_host.host import host

ROOT = Path(__file__).parents[2]


def record(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("runs", name, "run.json").read_text())
    return found


def weights(name: str) -> dict[str, torch.Tensor]:
    return load_file(Path("runs", name, "model", "model.safetensors"))


def rows(name: str) -> list[dict[str, float]]:
    lines = Path("runs", name, "metrics.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [{key: row[key] for key in row if key != "seconds"} for row in found]


def equal(one: str, other: str) -> bool:
    left, right = weights(one), weights(other)
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


ALONE = {"keep-close", "interpolate"}
"""Objectives that have no gradient where nothing has moved: terms beside others."""
OBJECTIVES = sorted(
    entry.name
    for entry in host(load_settings()).registry.entries("objective")
    if entry.distribution == "otx"
)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_trains_and_leaves_a_whole_folder(align: Any, objective: str) -> None:
    beside = ["--objective", "sinkhorn"] if objective in ALONE else []
    assert align("--objective", objective, *beside, "--steps", "3", "--run", "r") == 0
    found = record("r")
    assert (
        found["status"] == "finished"
        and found["guards"]["before"].keys() == found["guards"]["after"].keys()
    )
    assert [row["step"] for row in rows("r")] == [1, 2, 3]
    from transformers import AutoModel

    model, report = AutoModel.from_pretrained("runs/r/model", output_loading_info=True)
    assert model.config.hidden_size == 32
    assert not [key for key in report["missing_keys"] if "pooler" not in key]


def test_the_same_seed_twice_is_bit_equal_and_another_is_not(align: Any) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert align("--steps", "4", "--run", name, "--seed", seed) == 0
    assert equal("a", "b") and rows("a") == rows("b")
    assert not equal("a", "c")


STATEFUL = {
    "sinkhorn": (),
    "contrastive": ("contrastive.projector=16",),
    "sentence-contrastive": ("sentence-contrastive.queue=12", "align.momentum=0.5"),
    "linear": ("linear.orthogonal=true",),
    "adversarial": ("encoder.lora=2",),
    "sliced": ("encoder.recompute=true", "encoder.dropout=true"),
    "0..1*tlm": (),
}
"""Objectives with what must survive a stop: a projector, a queue and a moving average, a map, a weight on its way."""


@pytest.mark.parametrize("objective", STATEFUL)
def test_resumed_twice_is_bit_equal_to_never_stopped(
    align: Any, objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = [part for text in STATEFUL[objective] for part in ("--set", text)]
    wanted = ["--objective", objective, "--steps", "9", *sets]
    assert align(*wanted, "--run", "whole") == 0
    stop_at(monkeypatch, {2, 6})
    assert align(*wanted, "--run", "parts") == 5
    assert record("parts")["status"] == "interrupted"
    assert otx(["align", "--resume", "parts", "--quiet"]) == 5
    assert otx(["align", "--resume", "parts", "--quiet"]) == 0
    assert equal("whole", "parts") and rows("whole") == rows("parts")


def stop_at(monkeypatch: pytest.MonkeyPatch, steps: set[int]) -> None:
    """Send ourselves SIGTERM in the middle of each of these steps, once."""
    loss = TrainableAlignment.loss
    left, seen = set(steps), [0]

    def stopping(self: TrainableAlignment, batch: Any) -> Any:
        seen[0] += 1
        if seen[0] in left:
            left.discard(seen[0])
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(self, batch)

    monkeypatch.setattr(TrainableAlignment, "loss", stopping)


@pytest.mark.parametrize("place", ["data.tokenise", "diagnostics.measure"])
def test_a_signal_outside_the_loop_interrupts_at_once(
    align: Any, place: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever is running then: the reading of the text, or the measuring around the training."""
    assert align("--steps", "3", "--run", "whole") == 0
    after = []

    def killed(*arguments: Any, **named: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        after.append("went on")

    with monkeypatch.context() as patched:
        patched.setattr(f"otx.alignment.{place}", killed)
        patched.setenv("OTX_CACHE", str(Path("other-cache")))
        assert align("--steps", "3", "--run", "parts") == 5
    assert not after
    said = capfd.readouterr().err
    if place == "data.tokenise":
        assert "nothing was lost" in said and not Path("runs/parts").exists()
        assert align("--steps", "3", "--run", "parts") == 0
    else:
        assert "otx align --resume parts" in said and record("parts")["status"] == "interrupted"
        assert otx(["align", "--resume", "parts", "--quiet"]) == 0
    assert equal("whole", "parts") and rows("whole") == rows("parts")


def test_a_second_run_of_the_name_and_a_changed_flag_are_refused(
    align: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(monkeypatch, {1})
    assert align("--steps", "4", "--run", "r") == 5
    assert align("--steps", "4", "--run", "r") == 2
    assert "--resume r" in capfd.readouterr().err
    assert otx(["align", "--resume", "r", "--lr", "1", "--quiet"]) == 2
    assert "--lr" in capfd.readouterr().err


def test_another_model_or_text_is_refused_on_resume(
    align: Any,
    tiny_model: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop_at(monkeypatch, {1})
    copy = tmp_path / "copy"
    shutil.copytree(tiny_model, copy)
    assert align("--steps", "4", "--run", "r", model=str(copy)) == 5
    tensors = load_file(copy / "model.safetensors")
    from safetensors.torch import save_file

    first = sorted(tensors)[0]
    tensors[first] = tensors[first] + 1
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    assert otx(["align", "--resume", "r", "--quiet"]) == 3
    assert "the model changed" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("what", "then", "said"),
    [
        ("precision", "bfloat16", "the precision changed (bfloat16 then, float32 now)"),
        ("options", {"sinkhorn": {"epsilon": 0.2}}, '[sinkhorn] changed ({"epsilon": 0.2} then'),
    ],
)
def test_another_precision_or_another_default_is_refused_on_resume(
    align: Any,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    then: Any,
    said: str,
) -> None:
    """As after a resume on a GPU, or after an upgrade that changed a default."""
    stop_at(monkeypatch, {1})
    assert align("--steps", "4", "--run", "r") == 5
    path = Path("runs/r/run.json")
    kept = json.loads(path.read_text())
    assert kept["options"]["sinkhorn"]["epsilon"] == 0.1 and kept["precision"] == "float32"
    changed = {**kept[what], **then} if isinstance(then, dict) else then
    path.write_text(json.dumps({**kept, what: changed}))
    assert otx(["align", "--resume", "r", "--quiet"]) == 3
    assert said in capfd.readouterr().err


def test_a_locked_run_says_by_whom(
    align: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from otx.runs.folder import RunFolder

    stop_at(monkeypatch, {1})
    assert align("--steps", "4", "--run", "r") == 5
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, "runs"], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert holder.stdout is not None and holder.stdout.readline().strip() == "held"
    assert otx(["align", "--resume", "r", "--quiet"]) == 1
    assert f"locked by pid {holder.pid}" in capfd.readouterr().err
    holder.kill()
    holder.wait()
    assert otx(["align", "--resume", "r", "--quiet"]) == 0
    assert RunFolder(Path("runs/r")).record["status"] == "finished"


HOLD = """
import sys, time
from pathlib import Path
from otx.runs.folder import RunFolder
with RunFolder.open(Path(sys.argv[1]), "r").lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_sigterm_from_outside_saves_and_exits_5(
    tiny_model: Path, bitext: str, tmp_path: Path
) -> None:
    command = [
        sys.executable, "-m", "otx", "align", "--model", str(tiny_model), "--corpus", bitext,
        "--steps", "100000", "--run", "r",
    ]  # fmt: skip
    environment = {**os.environ, "OTX_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    metrics = tmp_path / "runs/r/metrics.jsonl"
    limit = time.monotonic() + 120
    while time.monotonic() < limit and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 5 and time.monotonic() - began < 20
    assert "otx align --resume r" in said and "Traceback" not in said


def test_dry_run_counts_and_writes_no_run(align: Any, capfd: pytest.CaptureFixture[str]) -> None:
    assert align("--dry-run", "--json") == 0
    outline = json.loads(capfd.readouterr().out)
    ledger = outline["corpora"][0]["ledger"]
    assert ledger["read"] == ledger["used"] + ledger["held_out"] == 40
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--objective", "sinkhron"], 2, "sinkhorn"),
        (["--objective", "-1*sinkhorn"], 2, "weight"),
        (["--set", "sinkhorn.epsilonn=1"], 2, "epsilon"),
        (["--set", "sinkhorn.cost=manhattan"], 2, "cosine"),
        (["--device", "cuda"], 2, "GPU"),
        (["--corpus", "nowhere/en-de"], 3, "nowhere"),
        (["--model", "minni"], 3, "did you mean 'mini'?"),
        (["--recipe", "wordott"], 2, "wordot"),
    ],
)
def test_bad_input_gets_one_line_and_its_exit_code(
    align: Any, capfd: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert align(*arguments) == code
    captured = capfd.readouterr()
    assert said in captured.err and "Traceback" not in captured.err and captured.out == ""


def test_gold_sentences_in_the_bitext_are_counted(
    align: Any, bitext: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sides = [Path(f"{bitext}.{code}").read_text().splitlines()[:40] for code in ("de", "en")]
    pairs = [*zip(*sides, strict=True), ("ganz neu", "all new")]
    (tmp_path / "g.src-tgt").write_text("".join(f"{a} ||| {b}\n" for a, b in pairs))
    (tmp_path / "g.gold").write_text("0-0\n" * 41)
    assert align("--steps", "1", "--run", "r", "--gold", str(tmp_path / "g.gold")) == 0
    found = record("r")["gold_in_bitext"]
    trained = record("r")["corpora"][0]["ledger"]["used"]
    assert found == {"hits": 2 * trained, "size": 82}
    assert f"{2 * trained} of the 82 sentences" in capfd.readouterr().err


def test_what_was_cut_is_said_and_written_down(
    align: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    assert align("--steps", "1", "--run", "r", "--set", "encoder.max_length=6") == 0
    said = capfd.readouterr().err
    cut = record("r")["corpora"][0]["cut_sides"]
    assert cut["de"] and f"{cut['de']} of" in said and "cut at 6 sub-words" in said
    lines = Path("runs/r/problems.jsonl").read_text().splitlines()
    assert sum(json.loads(line)["kind"] == "cut" for line in lines) >= max(cut.values())


def test_given_links_are_used(
    align: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "links").write_text("0-0\n" * 40)
    wanted = ["--objective", "l2", "--steps", "5"]
    assert align(*wanted, "--set", f"align.links={tmp_path / 'links'}") == 2
    assert "pre-tokenised" in capfd.readouterr().err
    links = ["--set", f"align.links={tmp_path / 'links'}", "--links-direction", "en-de"]
    both = [*links, "--set", "files.pretokenised=true"]
    assert align(*wanted, *both, "--run", "given") == 0
    (tmp_path / "links").write_text("\n" * 40)
    assert align(*wanted, *both, "--run", "none") == 1
    # Although the keep-close term that goes with it has a gradient.
    assert "l2: the gradient was exactly zero" in capfd.readouterr().err
    assert record("none")["status"] == "failed"


def test_changed_links_are_refused_on_resume(
    align: Any,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    links = tmp_path / "links"
    links.write_text("0-0\n" * 40)
    stop_at(monkeypatch, {1})
    sets = ["--set", f"align.links=de:{links}", "--set", "files.pretokenised=true"]
    sets += ["--links-direction", "de-en"]
    assert align("--objective", "l2", "--steps", "3", "--run", "r", *sets) == 5
    links.write_text("0-1\n" * 40)
    assert otx(["align", "--resume", "r", "--quiet"]) == 3
    assert "links de changed" in capfd.readouterr().err
    links.write_text("0-0\n" * 40)
    assert otx(["align", "--resume", "r", "--quiet"]) == 0


def test_an_encoder_with_a_task_head_is_aligned_and_keeps_it(align: Any, tiny_model: Path) -> None:
    """The head's weights are as they were, the encoder's are not, and the architecture is the head's."""
    from transformers import AutoConfig, AutoTokenizer, XLMRobertaForQuestionAnswering

    model = XLMRobertaForQuestionAnswering(AutoConfig.from_pretrained(tiny_model))
    model.save_pretrained("reader")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained("reader")
    assert align("--steps", "3", "--run", "r", model="reader") == 0
    before, after = load_file("reader/model.safetensors"), weights("r")
    assert before.keys() == after.keys()
    for name in before:
        assert torch.equal(before[name], after[name]) == name.startswith("qa_outputs"), name
    config = json.loads(Path("runs/r/model/config.json").read_text())
    assert config["architectures"] == ["XLMRobertaForQuestionAnswering"]


@pytest.mark.parametrize("part", ["embeddings", "upper"])
def test_frozen_parts_stay_as_they_were(align: Any, tiny_model: Path, part: str) -> None:
    assert align("--steps", "3", "--run", "r", "--set", f"encoder.freeze={part}") == 0
    before, after = load_file(tiny_model / "model.safetensors"), weights("r")
    for name in before:
        frozen = "embeddings" in name if part == "embeddings" else ".layer." in name
        if frozen or name.startswith("lm_head"):
            assert torch.equal(before[name], after[name]), name
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_run_in_which_nothing_is_trained_is_refused(
    align: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    assert align("--run", "r", "--set", 'encoder.freeze=["embeddings","lower","upper"]') == 2
    assert "nothing is left to train" in capfd.readouterr().err


def test_a_moving_average_follows_the_encoder(align: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """After three steps it is what three averages of the weights before each step give."""
    seen: list[dict[str, torch.Tensor]] = []
    means: list[dict[str, torch.Tensor]] = []
    begin = TrainableAlignment.begin

    def watched(self: TrainableAlignment, step: int, steps: int) -> None:
        begin(self, step, steps)
        assert self.beside.momentum is not None
        seen.append({k: v.detach().clone() for k, v in self.encoder.module.named_parameters()})
        means.append({k: v.clone() for k, v in self.beside.momentum.module.named_parameters()})

    monkeypatch.setattr(TrainableAlignment, "begin", watched)
    queue = ["--set", "sentence-contrastive.queue=4", "--set", "align.momentum=0.8"]
    assert align("--objective", "sentence-contrastive", "--steps", "3", "--lr", "0.01", *queue) == 0
    for name, first in seen[0].items():
        mean = first
        for step in (1, 2):
            mean = 0.8 * mean + 0.2 * seen[step][name]
        assert torch.allclose(means[2][name], mean, atol=1e-7), name


def test_a_teacher_is_another_encoder_with_its_own_tokenizer(align: Any, tiny_model: Path) -> None:
    """The embedded encoder teaches the tiny one, whose vectors are narrower: the map is asked for by name."""
    wanted = ["--objective", "distill", "--steps", "3", "--set", "align.teacher=mini"]
    assert align(*wanted, "--run", "r", "--set", "distill.teacher_width=256") == 0
    assert rows("r")[-1]["distill"] > 0


def test_the_columns_that_no_objective_may_be_named_after_are_those_of_the_loop(align: Any) -> None:
    assert align("--steps", "1", "--run", "r") == 0
    heads = {name.partition(".")[0] for name in rows("r")[0]}
    assert heads - {"sinkhorn", "keep-close"} | {"seconds", "guards"} == COLUMNS


def test_shares_of_the_gradient_are_told(align: Any, capfd: pytest.CaptureFixture[str]) -> None:
    two = ["--objective", "sinkhorn", "--objective", "0.5*mlm", "--set", "align.keep_close=0"]
    assert align(*two, "--steps", "3", "--run", "r") == 0
    shares = record("r")["gradient_shares"]
    assert shares.keys() == {"sinkhorn", "mlm"} and sum(shares.values()) == pytest.approx(1)
    sent = [(row["sinkhorn.gradient"], row["mlm.gradient"]) for row in rows("r")]
    assert shares["mlm"] == pytest.approx(sum(m / (s + m) for s, m in sent) / 3)
    assert "shares of the gradient: sinkhorn" in capfd.readouterr().out


def test_another_teacher_is_refused_on_resume(
    align: Any,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(tiny_model, "teacher")
    stop_at(monkeypatch, {1})
    wanted = ["--objective", "distill", "--steps", "3", "--set", "align.teacher=teacher"]
    assert align(*wanted, "--run", "r") == 5
    shutil.rmtree("teacher")
    from transformers import AutoModelForMaskedLM

    other = AutoModelForMaskedLM.from_pretrained(tiny_model)
    with torch.no_grad():
        next(other.parameters()).add_(0.1)
    shutil.copytree(tiny_model, "teacher")
    other.save_pretrained("teacher")
    assert otx(["align", "--resume", "r", "--quiet"]) == 3
    assert "[teacher] changed" in capfd.readouterr().err
