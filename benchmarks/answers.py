"""How good `answers` is on solutions by real models: against gold, by steps, by agreement.

What was tuned was tuned on half of the questions (by their hash); figures are on the other half,
but where a row says otherwise. Run: python -m benchmarks.answers --data DIR
"""

import argparse
import asyncio
import hashlib
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.answer_agreement import POOLS, agreement
from benchmarks.environment import RESULTS, describe_environment, write_result
from benchmarks.flawed_problems import FLAWS, flawed
from graders.answers import AnswersGrader
from graders.equivalence import same_answer
from graders.final_answer import answer_in
from graders.problem_validity import find_flaws
from graders.types import Candidate
from graders.working import check_steps
from workers.entailment.labelled import DataFolderError, read_rows

Row = dict[str, Any]
Counted = tuple[str, bool]
"""A question, and whether what is counted happened on one of its rows."""

BARE_ANSWER: Final = 60
"""Characters: a longer answer of the equivalence set is the end of a reply, and read as one."""
NUMERIC: Final = ("addsub", "gsm8k", "multiarith", "singleeq", "svamp")
SHOWN: Final = 10
AGREEMENT_RULES: Final = {
    "held_out": "chosen on one half, measured on the other",
    "crossed": "the same both ways round",
    "majority": "more than half; nothing chosen, all questions",
}


def is_reported(question: str) -> bool:
    """Whether a question is in the half that figures are reported on."""
    return hashlib.sha256(question.encode()).digest()[0] % 2 == 1


def share(counted: Iterable[Counted], rounds: int = 1000) -> dict[str, Any]:
    """A share with its 95% interval by bootstrap over questions."""
    hits: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for question, happened in counted:
        hits[question][0] += happened
        hits[question][1] += 1
    table = np.array(list(hits.values()), dtype=np.int64).reshape(-1, 2)
    if not len(table):
        return {"share": None, "hits": 0, "of": 0, "low": None, "high": None}
    drawn = np.random.default_rng(0).integers(0, len(table), (rounds, len(table)))
    sums = table[drawn].sum(axis=1)
    low, high = np.percentile(sums[:, 0] / sums[:, 1], (2.5, 97.5))
    total = table.sum(axis=0)
    return {
        "share": float(total[0] / total[1]), "hits": int(total[0]), "of": int(total[1]),
        "low": float(low), "high": float(high),
    }  # fmt: skip


def against_gold(rows: Sequence[Row]) -> dict[str, Any]:
    """Does the grader, given gold, say what the label says?"""
    candidates = [
        Candidate("bench", n, "", row["response"], row["response"], question=row["question"],
                  gold=row["gold"])
        for n, row in enumerate(rows)
    ]  # fmt: skip
    grades = asyncio.run(AnswersGrader().grade(candidates))
    said = [grade.score == 1.0 for grade in grades]
    wrongly = [(row, right) for row, right in zip(rows, said, strict=True)
               if right != row["correct"]]  # fmt: skip
    return {
        "agreement": share(
            (row["question"], right == row["correct"])
            for row, right in zip(rows, said, strict=True)
        ),
        "accepted_though_labelled_wrong": sum(right for _, right in wrongly),
        "refused_though_labelled_correct": sum(not right for _, right in wrongly),
        "disagreements": [
            {
                "id": row["id"],
                "gold": row["gold"],
                "found": (answer_in(row["response"]) or "")[:60],
                "label": row["correct"],
                "label_rests_on": row["extracted"],
            }
            for row, _ in wrongly[:SHOWN]
        ],
    }


def steps(rows: Sequence[Row]) -> dict[str, Any]:
    """How often a step is flagged under a right and under a wrong final answer."""
    flagged = [(row, bool(list(check_steps(row["response"])))) for row in rows]
    return {
        "flagged_of_correct": share((r["question"], f) for r, f in flagged if r["correct"]),
        "flagged_of_wrong": share((r["question"], f) for r, f in flagged if not r["correct"]),
    }


def first_errors(rows: Sequence[Row]) -> dict[str, Any]:
    """Hand-marked wrong reasoning: is the step flagged in which the first error stands?"""
    found: dict[str, list[Counted]] = defaultdict(list)
    for row in rows:
        if row["question_type"] == "POT":
            continue
        text, marked = row["response"], row["first_error_step"]
        starts = [m.start() for m in re.finditer(r"Step \d+:", text)]
        at = sorted(
            sum(start <= (fault.start or 0) for start in starts) for fault in check_steps(text)
        )
        question = row["question"]
        found["any step"].append((question, bool(at)))
        found["the first wrong step"].append((question, marked in at))
        found["only a step before it"].append((question, bool(at) and max(at) < marked))
        computed = any(c in str(row["first_error_reason"]).lower() for c in ("计算", "calculat"))
        if computed:
            found["the first wrong step, where the reason names calculation"].append(
                (question, marked in at)
            )
    return {name: share(counted) for name, counted in found.items()}


def equivalence(rows: Sequence[Row]) -> dict[str, Any]:
    """Pairs of answers: how many equal ones are found equal, and different ones different."""

    def equal(row: Row) -> bool:
        bare = len(row["answer"]) <= BARE_ANSWER
        return same_answer(row["gold"], row["answer"] if bare else answer_in(row["answer"]) or "")

    said = [(row, equal(row)) for row in rows]
    return {
        "equal_found_equal": share((r["gold"], s) for r, s in said if r["equal"]),
        "different_found_different": share((r["gold"], not s) for r, s in said if not r["equal"]),
        "missed": [row["id"] for row, found in said if found != row["equal"]],
    }


def problems(rows: Sequence[Row]) -> dict[str, Any]:
    """False alarms on real problems, and flaws put into them that are found."""
    seen = [(row["question"], find_flaws(row["question"])) for row in rows]
    alarms = [(question, flaws[0].reason) for question, flaws in seen if flaws]
    report: dict[str, Any] = {
        "false_alarms": share((question, bool(flaws)) for question, flaws in seen),
        "alarms": alarms[:SHOWN],
    }
    for kind in FLAWS:
        made = [text for row in rows if (text := flawed(row["question"], kind))]
        report[f"found: {kind}"] = share((text, bool(find_flaws(text))) for text in made)
    return report


def measure(data: Path) -> dict[str, Any]:
    """Every figure, on the half of the questions that nothing was tuned on.

    Raises DataFolderError, naming the file that is missing or damaged.
    """
    everything = {
        name: read_rows(data / "answers" / f"{name}.jsonl")
        for name in ("gsm8k_solutions", "gsm8k_models", "math_samples", "zero_shot_cot",
                     "mr_gsm8k", "gsm8k_train")
    }  # fmt: skip
    held = {
        name: [row for row in rows if is_reported(row["question"])]
        for name, rows in everything.items()
    }
    gsm8k = [*everything["gsm8k_solutions"], *everything["gsm8k_models"]]
    solved = [*held["gsm8k_solutions"], *held["gsm8k_models"]]
    tasks = _grouped(held["zero_shot_cot"], lambda row: str(row["task"]))
    numeric = [row for task in NUMERIC for row in tasks[task]]
    models = _grouped(solved, lambda row: str(row["model"]))
    return {
        "with_gold": {
            "GSM8K, twelve models": against_gold(solved),
            **{f"GSM8K, {name}": against_gold(rows) for name, rows in models.items()},
            "MATH samples": against_gold(held["math_samples"]),
            "zero-shot, numbers": against_gold(numeric),
            **{f"zero-shot, {name}": against_gold(rows) for name, rows in tasks.items()},
        },
        "steps": {
            "GSM8K, twelve models": steps(solved),
            **{f"GSM8K, {name}": steps(rows) for name, rows in models.items()},
            "MATH samples": steps(held["math_samples"]),
        },
        "first_wrong_step": first_errors(held["mr_gsm8k"]),
        "without_gold": {
            name: agreement(
                [row for row in gsm8k if row["model"] in pool], is_reported, share
            )
            for name, pool in POOLS.items()
        },
        "equivalence": equivalence(
            [
                row
                for row in read_rows(data / "answers" / "equivalence.jsonl")
                if is_reported(row["gold"])
            ]
        ),
        "problems": problems(held["gsm8k_train"]),
    }  # fmt: skip


def _grouped(rows: Sequence[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(sorted(groups.items()))


def table(report: Mapping[str, Any]) -> str:
    """The figures as Markdown; in brackets 95% intervals."""
    lines = ["| with gold | solutions | agree with the label |", "|---|---|---|"]
    for name, row in report["with_gold"].items():
        lines.append(f"| {name} | {row['agreement']['of']} | {cell(row['agreement'])} |")
    lines += [
        "",
        "| a step is flagged | under a right answer | under a wrong one |",
        "|---|---|---|",
    ]
    for name, row in report["steps"].items():
        right, wrong = row["flagged_of_correct"], row["flagged_of_wrong"]
        lines.append(f"| {name} | {cell(right)} | {cell(wrong)} |")
    lines += ["", "| first wrong step, marked by hand | flagged |", "|---|---|"]
    lines += [f"| {name} | {cell(row)} |" for name, row in report["first_wrong_step"].items()]
    lines += ["", "| without gold: accepted when | right of the accepted | accepted |",
              "|---|---|---|"]  # fmt: skip
    for name, pool in report["without_gold"].items():
        for kind, told in AGREEMENT_RULES.items():
            row = pool[kind]
            needed = " or ".join(str(n) for n in dict.fromkeys(row["needed"]))
            rule = f"{name}: at least {needed} of {pool['others']} others agree ({told})"
            lines.append(f"| {rule} | {cell(row['precision'])} | {cell(row['coverage'])} |")
    lines += ["", "| pairs of answers | |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {cell(report['equivalence'][name])} |"
              for name in ("equal_found_equal", "different_found_different")]  # fmt: skip
    lines += ["", "| the problem itself | |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {cell(row)} |"
              for name, row in report["problems"].items() if isinstance(row, dict)]  # fmt: skip
    return "\n".join(lines) + "\n"


def cell(value: Mapping[str, Any]) -> str:
    """A share in percent, with its interval and its counts."""
    if value["share"] is None:
        return "–"
    interval = f"{100 * value['low']:.1f}-{100 * value['high']:.1f}"
    return f"{100 * value['share']:.1f}% ({interval}; {value['hits']} of {value['of']})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of labelled data")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for json and md")
    arguments = parser.parse_args()
    try:
        report = {"environment": describe_environment(), **measure(arguments.data)}
    except DataFolderError as exc:
        sys.exit(str(exc))
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_result(arguments.out / "answers.json", report)
    (arguments.out / "answers.md").write_text(table(report))
    print(table(report))


if __name__ == "__main__":
    main()
