"""The throughput benchmark's own sums, its checkpoints, and what it leaves when a side fails."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import throughput, throughput_arms
from benchmarks.environment import NVIDIA_SMI
from benchmarks.throughput import Process, SideError, parse
from benchmarks.throughput_arms import Winnow, serve
from benchmarks.throughput_coin import install_coin
from benchmarks.throughput_gpu import GpuWatch
from benchmarks.throughput_model import architecture, write_dummy
from benchmarks.throughput_report import scaling_table, summarise, table
from benchmarks.throughput_work import ABORTS, BARE, ENGINE, OFF, ON, Measured, Work
from graders.config import GradersConfig
from workers.backends.config import RayConfig
from workers.errors import EngineUnavailableError

ROOT = Path(__file__).parents[2]
WORK = Work({"kind": "transformers", "model": "winnow-tiny"}, "essay", 10, 0)


def run(tokens: int, asked: int = 0, **fields: Any) -> dict[str, Any]:
    """One run of two seconds."""
    measured = {"candidates": 10, "seconds": 2.0, "tokens": tokens, "asked_tokens": asked}
    rest = {"cpu_seconds": 1.0, "accepted": 5, "grader_seconds": 0.2, "first_sample": None}
    return {**measured, **rest, "engine_seconds": 2.0, "gpu_busy": {}, **fields}


def test_rates_are_medians_and_ratios_are_within_a_run() -> None:
    measured = {
        BARE: [run(100), run(300), run(200)],
        ENGINE: [run(200), run(600), run(400)],
        OFF: [run(200), run(600), run(400)],
        ON: [run(100, 80), run(300, 240), run(200, 160)],
        ABORTS: [run(100, first_sample=0.5, gpu_busy={"1": 0.9, "4": 0.7}), run(300), run(200)],
    }
    rows = summarise(measured)
    assert rows[BARE]["tokens_per_s"] == 100
    assert rows[ENGINE]["of_bare"] == 2
    assert rows[OFF]["overhead"] == pytest.approx(0)
    assert rows[ON]["of_bare"] == 1 and rows[ON]["overhead"] == pytest.approx(0.1)
    assert rows[ABORTS]["first_sample_s"] == 0.5
    assert rows[ABORTS]["gpu_busy"] == pytest.approx(0.8) and rows[ABORTS]["gpus_worked"] == 2
    assert rows[ON]["gpu_busy"] is None and rows[ON]["gpus_worked"] is None
    written = table(WORK, rows)
    assert written.count("\n") == 7 and "| 10.0% " in written and "| 80%, 2 worked |" in written


def test_efficiency_is_against_what_the_cores_allow() -> None:
    lines = scaling_table({1: [run(100)], 2: [run(180)], 4: [run(190)]}, units=2).splitlines()
    assert lines[2:] == [
        "| 1 | 50 | 1.00 | 100% |",
        "| 2 | 90 | 1.80 | 90% |",
        "| 4 | 95 | 1.90 | 95% |",
    ]


def test_a_dummy_has_the_architectures_sizes_and_a_token_for_every_output(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": 4000,
    }
    (tmp_path / "small.json").write_text(json.dumps(config))
    folder = write_dummy(f"dummy:{tmp_path}/small.json", tmp_path / "out", weights=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert model.config.hidden_size == 32 and model.get_output_embeddings().out_features == 4000
    assert len(tokenizer) == 4000
    assert all(tokenizer.decode([token]).strip() for token in range(3072, 4000))
    assert max(tokenizer("Name: The Danube\nLength: 2850 km")["input_ids"]) < 3072


def test_an_architecture_that_is_not_there_is_told_with_those_that_are() -> None:
    assert architecture("dummy:llama-3.1-8b").name == "llama-3.1-8b.json"
    with pytest.raises(ValueError, match=r"llama-3\.1-8b, qwen3-8b"):
        architecture("dummy:nothing")


def test_a_gpu_that_stands_idle_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = tmp_path / "busy"
    script = f"""#!/bin/sh
echo "0, GPU-a, 0"; echo "1, GPU-b, $(cat {busy})"; echo "2, GPU-c, 50"; echo "3, GPU-d, [N/A]"
"""
    (tmp_path / NVIDIA_SMI).write_text(script)
    (tmp_path / NVIDIA_SMI).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,3")
    watch = GpuWatch()
    for percent in ("0", "90"):
        busy.write_text(percent)
        watch.sample()
    assert watch.busy == {"1": 0.45}


def test_the_coin_is_found_by_name_in_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    install_coin(tmp_path / "coin")
    code = (
        "from graders.config import GradersConfig; from graders.registry import build_graders; "
        "print(build_graders(GradersConfig(), ['scripted'])[0].name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "scripted\n"


@pytest.mark.parametrize("dummy", [False, True])
async def test_scaling_is_graded_as_the_arm_that_it_scales(
    dummy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[GradersConfig] = []

    class Ready:
        async def ready(self, model: str) -> None:
            """At once."""

    def open_backend(config: RayConfig, engines: Any, graders: GradersConfig) -> Ready:
        opened.append(graders)
        return Ready()

    monkeypatch.setattr(throughput_arms, "open_backend", open_backend)
    monkeypatch.setattr(Winnow, "_on_ray", lambda self, workers: RayConfig(workers=workers))
    await Winnow(Work(WORK.engine, "essay", 10, 0, dummy), workers=2).start()
    [graders] = opened
    assert not graders.early_abort
    assert graders.consistency.judge is not dummy


async def test_a_side_that_can_not_load_answers_why_on_one_line() -> None:
    class Broken:
        async def start(self) -> None:
            raise EngineUnavailableError("out of memory:\n  tried to allocate 16 GB")

        async def measure(self, arm: str, count: int) -> Measured:
            raise AssertionError("never asked")

    answers = io.StringIO()
    await serve(Broken(), io.StringIO(), answers, WORK)
    assert json.loads(answers.getvalue()) == {"failed": "out of memory: tried to allocate 16 GB"}


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("""print('{"failed": "no memory"}')""", "winnow: no memory"),
        ("", "winnow: its process has ended: see its messages above"),
        ("import os; os.kill(os.getpid(), 9)", "winnow: its process was ended by SIGKILL: see"),
    ],
)
def test_a_side_that_fails_is_told_of_with_its_name(code: str, why: str) -> None:
    command = [sys.executable, "-c", code]
    with (
        subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process,
        pytest.raises(SideError, match=why),
    ):
        Process("winnow", process).measure(ON)


class FailsAfter:
    """Sides that answer so many times between them, then no more."""

    def __init__(self, answers: int) -> None:
        self._left = answers

    @contextmanager
    def __call__(self, side: str, work: Work, workers: int | None = None) -> Iterator["FailsAfter"]:
        yield self

    def ready(self) -> None:
        """Loaded."""

    def measure(self, arm: str) -> dict[str, Any]:
        if not self._left:
            raise SideError(f"{arm}: no memory")
        self._left -= 1
        return run(100)


def benchmark(
    answers: int, options: Sequence[str], out: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Run it to its end with status 1 and a reason; the folder of what it wrote."""
    monkeypatch.setattr(throughput, "side_process", FailsAfter(answers))
    monkeypatch.setattr(throughput, "_has_gpu", lambda: False)
    monkeypatch.setattr(throughput, "find_spec", lambda name: object())
    monkeypatch.setattr("benchmarks.throughput_report.find_spec", lambda name: None)
    monkeypatch.setattr("benchmarks.throughput_report.units", lambda: 2)
    words = ["throughput", "--out", str(out), "--label", "x", "--runs", "2", *options]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match=r"^[a-z ]+: no memory") as ended:
        throughput.main()
    assert isinstance(ended.value.code, str)  # Python prints it and exits with 1
    return out


def test_when_scaling_fails_arms_and_what_was_scaled_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--workers", "1", "2", "4"]
    out = benchmark(13, options, tmp_path, monkeypatch)
    report = json.loads((out / "x.json").read_text())
    assert [len(runs) for runs in report["runs"].values()] == [2] * 5
    assert {count: len(runs) for count, runs in report["scaling"].items()} == {"1": 2, "2": 1}
    assert report["failed"] == "grading on: no memory" and report["summary"][ON]["of_bare"] == 1
    assert "| 2 | 50 |" in (out / "x.md").read_text()


def test_when_an_arm_fails_full_rounds_are_summed_up_and_all_runs_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = benchmark(7, [], tmp_path, monkeypatch)
    report = json.loads((out / "x.json").read_text())
    assert sum(map(len, report["runs"].values())) == 7 and len(report["summary"]) == 5


def test_what_is_less_than_a_round_goes_beside_an_older_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.json").write_text("older")
    benchmark(0, [], tmp_path, monkeypatch)
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
    benchmark(3, [], tmp_path, monkeypatch)
    report = json.loads((tmp_path / "x_partial.json").read_text())
    assert sum(map(len, report["runs"].values())) == 3 and report["summary"] == {}
    assert (tmp_path / "x.json").read_text() == "older"


def test_a_library_that_is_missing_is_told_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(throughput, "find_spec", lambda name: None)
    with pytest.raises(
        SystemExit, match=r"vllm, which is not here: pip install '\.\[vllm,bench\]'"
    ):
        parse(["--engine", "vllm"])


def test_too_few_candidates_for_the_slots_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(throughput, "find_spec", lambda name: object())
    parse(["--candidates", "512", "--batch", "64", "--workers", "1", "4"])
    assert capsys.readouterr().err == ""
    parse(["--candidates", "511", "--batch", "64", "--workers", "1", "4"])
    assert "at least 512" in capsys.readouterr().err
