"""What the graders are worth on text that real models wrote and people labelled.

Every grader and some baselines score every labelled set that they apply to; published figures
stand beside ours, and the certificate is held to its word. Run: python -m benchmarks.gate_quality
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import gate_quality_baselines as baselines
from benchmarks.environment import RESULTS, describe_environment, write_result
from benchmarks.gate_quality_analysis import Scored, figures, pool, rank_models, score_set
from benchmarks.gate_quality_guarantee import SPLITS, Choose, check_guarantee, choose_threshold
from benchmarks.gate_quality_plots import plot_guarantee, plot_reliability, plot_risk_coverage
from benchmarks.gate_quality_published import compare
from benchmarks.gate_quality_report import write_report
from benchmarks.gate_quality_scorers import (
    FunctionScorer,
    GraderScorer,
    consistency_scorers,
    novelty_scorers,
    start_all,
)
from benchmarks.gate_quality_scores import ScoreFile, Scorer, score_rows
from benchmarks.labelled_sets import (
    LEFT_OUT,
    SETS,
    Kind,
    LabelledSet,
    LabelledText,
    never_trained_on,
    read_set,
    take,
    trained_clusters,
)
from graders.answers import AnswersGrader
from graders.config import AnswersConfig, ConsistencyConfig
from graders.consistency import ConsistencyGrader
from graders.entailment.model import SHIPPED
from workers.entailment.labelled import DataFolderError

RANKED = ("open_models", "ragtruth")
CERTIFIED = ("ragtruth", "open_models", "anli", "gsm8k_solutions", "decontaminator", "pan")
POOLED = ("ragtruth", "faithbench", "summedits", "wice", "qags", "bump", "fever_symmetric",
          "aggrefact")  # fmt: skip
"""Labelled by people, and about texts of models: together a set of several hundred sources."""


def make_scorers(models: Sequence[str], kinds: Set[Kind]) -> list[Scorer]:
    """The graders as they ship, the entailment models named, and the baselines.

    Embeddings are loaded only if sets of the kind "novelty" are to be scored.
    """
    rules = ConsistencyConfig(model=None, judge=False)
    answers = AnswersConfig()
    return [
        *(scorer for model in models for scorer in consistency_scorers(model)),
        GraderScorer("rules only", "consistency", ConsistencyGrader(rules), rules.threshold),
        FunctionScorer("word overlap", "consistency", baselines.word_overlap),
        FunctionScorer("retrieval cosine", "consistency", baselines.retrieval_cosine),
        FunctionScorer("always wrong", "consistency", baselines.always_wrong),
        GraderScorer("answers", "answers", AnswersGrader(answers), answers.threshold),
        FunctionScorer("last number", "answers", baselines.last_number_is_gold),
        FunctionScorer("always wrong", "answers", baselines.always_wrong),
        *(novelty_scorers() if "novelty" in kinds else []),
        FunctionScorer("near-duplicate", "novelty", baselines.near_duplicate),
        FunctionScorer("word containment", "novelty", baselines.word_containment),
        FunctionScorer("13-gram overlap", "novelty", baselines.ngram_overlap),
    ]


@dataclass(slots=True)
class Run:
    """What a run has gathered so far: scores by set and grader, and how many rows were dropped."""

    scored: dict[str, dict[str, Scored]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)


async def score_sets(
    data: Path,
    sets: Sequence[LabelledSet],
    scorers: Sequence[Scorer],
    known: ScoreFile,
    limit: int | None,
    seed: int,
) -> Run:
    """Score every set with every scorer that applies. Raises DataFolderError."""
    run = Run()
    started = await start_all(scorers)
    trained = trained_clusters(data) if any(s.kind == "consistency" for s in sets) else frozenset()
    for found in sets:
        rows = read_set(data, found)
        unseen = never_trained_on(rows, trained)
        run.dropped[found.name] = len(rows) - len(unseen)
        chosen = take(unseen, limit)
        run.scored[found.name] = {
            scorer.name: await _score(scorer, found, chosen, known, seed)
            for scorer in started
            if scorer.applies(found)
        }
    for scorer in started:
        if isinstance(scorer, GraderScorer):
            await scorer.grader.aclose()
    return run


async def _score(
    scorer: Scorer, found: LabelledSet, rows: Sequence[LabelledText], known: ScoreFile, seed: int
) -> Scored:
    scores = await score_rows(scorer, found, rows, known)
    return score_set(rows, scores, found.objective, seed)


def analyse(
    run: Run, scorers: Sequence[Scorer], rounds: int, splits: int, seed: int, choose: Choose
) -> dict[str, Any]:
    """Figures, comparisons, rankings and the check of the guarantee."""
    shipped = {scorer.name: scorer.threshold for scorer in scorers}
    sets = {
        name: {
            grader: figures(found, shipped[grader], rounds, seed)
            for grader, found in graders.items()
        }
        for name, graders in run.scored.items()
    }
    certified = {name: shipped_scores(run, name) for name in CERTIFIED if name in run.scored}
    if all(name in run.scored for name in POOLED):
        certified["eight sets pooled"] = pool([shipped_scores(run, name) for name in POOLED])
    return {
        "sets": sets,
        "rows_that_training_saw": run.dropped,
        "sets_left_out": dict(LEFT_OUT),
        "compared": compare(sets, "consistency"),
        "ranking": {
            name: {g: rank_models(one, rounds, seed) for g, one in run.scored[name].items()}
            for name in RANKED
            if name in run.scored
        },
        "guarantee": {
            name: check_guarantee(scored, choose, splits, seed, name)
            for name, scored in certified.items()
            if splits
        },
    }


def shipped_scores(run: Run, name: str) -> Scored:
    """The scores of the first grader that applied to a set: the one that ships."""
    return next(iter(run.scored[name].values()))


def draw(run: Run, report: Mapping[str, Any], out: Path) -> None:
    """The three pictures, as far as there is something to show."""
    shipped = {
        name: found["consistency"] for name, found in run.scored.items() if "consistency" in found
    }
    judged = {
        name: {g: one for g, one in graders.items() if g != "always wrong"}
        for name, graders in run.scored.items()
        if any(g in ("consistency", "rules only") for g in graders)
    }
    if shipped:
        plot_reliability(shipped, out / "gate_quality_reliability.png")
    if judged:
        plot_risk_coverage(judged, out / "gate_quality_risk_coverage.png")
    if report["guarantee"]:
        plot_guarantee(report["guarantee"], out / "gate_quality_guarantee.png")


def _arguments() -> argparse.Namespace:
    names = [found.name for found in SETS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of labelled data")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for json, md and png")
    parser.add_argument("--scores", type=Path, help="scores to reuse and add to; default: in --out")
    parser.add_argument("--sets", nargs="+", default=names, choices=names, metavar="SET")
    parser.add_argument("--limit", type=int, help="about this many texts per set, for a quick run")
    parser.add_argument(
        "--models",
        nargs="*",
        default=[SHIPPED],
        help="entailment models: the shipped one, folders, hub names; none: rules and baselines",
    )
    parser.add_argument("--rounds", type=int, default=1000, help="bootstrap samples")
    parser.add_argument("--splits", type=int, default=SPLITS, help="of the guarantee; 0: no check")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    environment = describe_environment()
    sets = [found for found in SETS if found.name in arguments.sets]
    scorers = make_scorers(arguments.models, {found.kind for found in sets})
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    known = ScoreFile(arguments.scores or out / "gate_quality_scores.jsonl")
    try:
        run = asyncio.run(
            score_sets(arguments.data, sets, scorers, known, arguments.limit, arguments.seed)
        )
    except DataFolderError as exc:
        sys.exit(str(exc))
    report = {
        "environment": environment,
        "seed": arguments.seed,
        "limit": arguments.limit,
        **analyse(
            run, scorers, arguments.rounds, arguments.splits, arguments.seed, choose_threshold
        ),
    }
    write_result(out / "gate_quality.json", report)
    (out / "gate_quality.md").write_text(write_report(report))
    draw(run, report, out)
    print(write_report(report))


if __name__ == "__main__":
    main()
