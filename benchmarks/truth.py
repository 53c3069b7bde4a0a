"""How many samples are wrong before the gate and after it, against truth no grader sees.

Every candidate that the model writes is kept and judged twice: by the gate, and by an oracle that
knows what the source was rendered from. With the oracle's word for labels, certificates are asked
for on random halves of the candidates and held against the other halves. Run: python -m
benchmarks.truth --help
"""

import argparse
import asyncio
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.environment import RESULTS, describe_environment, write_result
from benchmarks.gate_quality_guarantee import SPLITS, check_guarantee, choose_threshold
from graders.config import GradersConfig
from graders.metrics.inputs import Bools, Floats
from graders.novelty import MemoryIndex, fingerprint, novelty_grade
from graders.panel import Panel
from graders.registry import build_gate, build_graders
from workers.engines.config import TransformersConfig
from workers.engines.registry import build_engine
from workers.producer import LocalProducer, engine_complete
from workers.recipes import SHIPPED
from workers.tiny.corpus.truth import KnownSource, Truth, judge, known_sources
from workers.types import Draw, Produced

AIMS = {"problem_set": 0.01, "essay": 0.03, "dialogue": 0.03}
KEPT_AIM = 0.80
CALIBRATED = {"problem_set": "answers", "essay": "consistency", "dialogue": "consistency"}
"""The grader that a certificate for the recipe would rest on."""
NO_SCORE = -1.0
COLUMNS = ("wrong_before", "wrong_after", "false_after", "undecided_after", "good_kept")


@dataclass(frozen=True, slots=True)
class Case:
    """One candidate with the gate's opinion and the oracle's."""

    produced: Produced
    truth: Truth
    passed: bool


@dataclass(frozen=True, slots=True)
class Scores:
    """What one grader said of all candidates, each about a source of its own."""

    scores: Floats
    right: Bools

    @property
    def clusters(self) -> NDArray[np.str_]:
        return np.arange(len(self.scores)).astype(np.str_)


def wilson(hits: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927)."""
    if trials == 0:
        return 0.0, 1.0
    share, spread = hits / trials, z * z / trials
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(0.0, centre - half), min(1.0, centre + half)


def share(hits: int, trials: int) -> dict[str, float | int]:
    """A share with its counts and its interval."""
    low, high = wilson(hits, trials)
    rate = hits / trials if trials else math.nan
    return {"share": rate, "hits": hits, "of": trials, "low": low, "high": high}


async def make_cases(
    recipe_name: str, model: str, count: int, seed: int, second_opinion: bool
) -> list[Case]:
    """Generate and grade `count` candidates, each from its own held-out source."""
    recipe, config = SHIPPED[recipe_name], GradersConfig()
    engine = build_engine(TransformersConfig(model=model))
    names = [name for name in recipe.graders if name != "novelty"]
    panel = Panel(
        build_graders(config, names, engine_complete(engine) if second_opinion else None),
        build_gate(config, names),
    )
    producer = LocalProducer(engine, recipe, panel, f"truth-{recipe_name}")
    items = known_sources(recipe_name, count, seed)
    slots = asyncio.Semaphore(producer.concurrency * 2)

    async def make(seq: int, item: KnownSource) -> Case:
        async with slots:
            produced = await producer.produce(Draw(seq, item.source, seed * 1_000_003 + seq))
        if produced.candidate is None or produced.verdict is None:
            raise SystemExit(f"candidate {seq} failed: {produced.error}")
        truth = judge(recipe_name, item, produced.candidate.text)
        return Case(produced, truth, produced.verdict.accepted)

    await producer.start()
    try:
        return await asyncio.gather(*(make(seq, item) for seq, item in enumerate(items)))
    finally:
        await producer.aclose()


def count_near_duplicates(recipe_name: str, cases: Sequence[Case]) -> int:
    """How many passing candidates admission would refuse as near-duplicates; not part of truth."""
    index, threshold = MemoryIndex(), GradersConfig().novelty.threshold
    refused = 0
    for case in cases:
        candidate = case.produced.candidate
        if not case.passed or candidate is None:
            continue
        text = candidate.fields[SHIPPED[recipe_name].novelty_field]
        print_ = fingerprint(text)
        grade = novelty_grade(index.nearest(text, print_), text)
        if grade.score is not None and grade.score < threshold:
            refused += 1
        else:
            index.add(str(candidate.seq), text, print_)
    return refused


def summarise(recipe_name: str, cases: Sequence[Case], seconds: float) -> dict[str, Any]:
    """The shares that the README quotes, and who threw out what."""
    good = [case for case in cases if not case.truth.wrong]
    passed = [case for case in cases if case.passed]
    caught: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for case in cases:
        verdict = case.produced.verdict
        names = {failure.grader for failure in verdict.failures} if verdict else set()
        (caught if case.truth.wrong else lost).update(names)
    candidates = [case.produced.candidate for case in cases if case.produced.candidate]
    return {
        "candidates": len(cases),
        **{f"{kind}_before": found for kind, found in _wrongs(cases).items()},
        **{f"{kind}_after": found for kind, found in _wrongs(passed).items()},
        "good_kept": share(sum(case.passed for case in good), len(good)),
        "wrong_caught_by": dict(caught),
        "good_lost_to": dict(lost),
        "near_duplicates_among_passed": count_near_duplicates(recipe_name, cases),
        "aim_wrong_after": AIMS[recipe_name],
        "aim_good_kept": KEPT_AIM,
        "completion_tokens": sum(candidate.completion_tokens for candidate in candidates),
        "wall_seconds": seconds,
        "leaks": [_leak(case) for case in passed if case.truth.wrong][:20],
        "good_lost": [_leak(case) for case in good if not case.passed][:20],
    }


def scores_of(recipe_name: str, cases: Sequence[Case]) -> Scores:
    """The calibrated grader's lowest score of each candidate; NO_SCORE where it has none."""
    found = []
    for case in cases:
        grades = [g for g in case.produced.grades if g.grader == CALIBRATED[recipe_name]]
        known = [grade.score for grade in grades if grade.score is not None]
        found.append(min(known) if known and len(known) == len(grades) else NO_SCORE)
    return Scores(np.array(found), np.array([not case.truth.wrong for case in cases]))


def _wrongs(cases: Sequence[Case]) -> dict[str, dict[str, float | int]]:
    """The share wrong, and its parts: false, and undecided, of which some may be false as well."""
    wrong = [case.truth for case in cases if case.truth.wrong]
    false = sum(truth.misstated for truth in wrong)
    counts = {"wrong": len(wrong), "false": false, "undecided": len(wrong) - false}
    return {kind: share(hits, len(cases)) for kind, hits in counts.items()}


def _leak(case: Case) -> dict[str, Any]:
    candidate, verdict = case.produced.candidate, case.produced.verdict
    return {
        "text": candidate.text if candidate else "",
        "oracle": case.truth.reason,
        "gate": [f"{f.grader}: {f.reason}" for f in verdict.failures] if verdict else [],
    }


def table(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of before and after."""

    def cell(value: dict[str, float]) -> str:
        interval = f"{100 * value['low']:.1f}-{100 * value['high']:.1f}"
        return f"{100 * value['share']:.1f}% ({interval})"

    lines = [
        "| recipe | candidates | wrong before the gate | wrong after it "
        "| of which false | of which undecided | good ones kept |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        cells = (cell(row[key]) for key in COLUMNS)
        lines.append(f"| `{name}` | {row['candidates']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def guarantee_table(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table of what certificates promised, and how often they missed it."""
    lines = [
        f"| recipe, grader | at most wrong | granted, of {SPLITS} | missed | wrong, mean | yield |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        for found in row["guarantee"].values():
            mean = "" if found["mean_error"] is None else f"{100 * found['mean_error']:.1f}%"
            lines.append(
                f"| `{name}`, `{CALIBRATED[name]}` | {found['alpha']:.0%} | {found['granted']} "
                f"| {found['misses']} | {mean} | {found['yield']:.0%} |"
            )
    return "\n".join(lines) + "\n"


def _bars(value: dict[str, float]) -> list[list[float]]:
    """Distances from a share to the ends of its interval, in percent; the ends may touch it."""
    below, above = value["share"] - value["low"], value["high"] - value["share"]
    return [[max(0.0, 100 * below)], [max(0.0, 100 * above)]]


def plot(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Bars of the wrong share before and after, with intervals and the aims."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.6), width_ratios=(2, 1))
    for place, row in enumerate(results.values()):
        for offset, key, colour in (
            (-0.2, "wrong_before", "#c0504d"),
            (0.2, "wrong_after", "#4f81bd"),
        ):
            value = row[key]
            height = 100 * value["share"]
            error = _bars(value)
            left.bar(place + offset, height, 0.38, color=colour, yerr=error, capsize=3)
            left.text(place + offset + 0.04, height + 1, f"{height:.1f}%", ha="left", fontsize=8)
        left.plot([place, place + 0.4], [100 * row["aim_wrong_after"]] * 2, color="black", lw=1)
        kept = row["good_kept"]
        error = _bars(kept)
        right.bar(place, 100 * kept["share"], 0.6, color="#9bbb59", yerr=error, capsize=3)
    left.set_title("wrong samples: before (red), after the gate (blue), aim (line)", fontsize=9)
    right.set_title("good samples kept (aim: above the line)", fontsize=9)
    right.axhline(100 * KEPT_AIM, color="black", lw=1)
    for axes in (left, right):
        axes.set_xticks(range(len(results)), list(results))
        axes.set_ylabel("%")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="winnow-tiny", help="name, path or hub id")
    parser.add_argument("--count", type=int, default=1000, help="candidates per recipe")
    parser.add_argument("--recipes", nargs="+", default=list(AIMS), choices=list(AIMS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rules-only", action="store_true", help="graders may not ask the model")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for json, md and png")
    arguments = parser.parse_args()
    environment = describe_environment()
    results = {}
    for name in arguments.recipes:
        began = time.perf_counter()
        cases = asyncio.run(
            make_cases(
                name, arguments.model, arguments.count, arguments.seed, not arguments.rules_only
            )
        )
        results[name] = summarise(name, cases, time.perf_counter() - began)
        scored = scores_of(name, cases)
        found = check_guarantee(scored, choose_threshold, SPLITS, arguments.seed, name)
        results[name]["guarantee"] = found
        print(table({name: results[name]}), guarantee_table({name: results[name]}), flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    report = {"environment": environment, "seed": arguments.seed, "recipes": results}
    write_result(arguments.out / "truth.json", report)
    (arguments.out / "truth.md").write_text(f"{table(results)}\n{guarantee_table(results)}")
    plot(results, arguments.out / "truth.png")


if __name__ == "__main__":
    main()
