"""What stopping doomed texts early saves, and that it changes nothing else.

Every candidate is written twice by the same seed, with aborts and without; the second is the
truth. Run: python -m benchmarks.aborts --help
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.environment import RESULTS, describe_environment, write_result
from graders.config import GradersConfig
from graders.registry import NOVELTY, build_gate
from workers.backends.base import Job
from workers.backends.local import LocalBackend
from workers.engines.config import TransformersConfig
from workers.engines.pool import EnginePool
from workers.recipes import SHIPPED
from workers.tiny.corpus.truth import KnownSource, known_sources
from workers.types import Draw, Produced

AIM = 0.30
CHECKED = ("form", "consistency")
EVERY_CHARS = 15
"""About four tokens: as often as the engine shows a text that is being written."""


async def write(
    pool: EnginePool,
    recipe: str,
    model: str,
    sources: Sequence[KnownSource],
    seed: int,
    abort: bool,
) -> list[Produced]:
    """One candidate from each source, graded and gated; novelty is left to admission."""
    graders = GradersConfig(early_abort=abort)
    gate = build_gate(graders, [name for name in SHIPPED[recipe].graders if name != NOVELTY])
    job = Job(f"aborts-{recipe}", SHIPPED[recipe], model, gate)
    async with LocalBackend(pool, graders).producer(job) as producer:
        slots = asyncio.Semaphore(producer.concurrency * 2)

        async def make(seq: int, item: KnownSource) -> Produced:
            async with slots:
                made = await producer.produce(Draw(seq, item.source, seed * 1_000_003 + seq))
            if made.candidate is None or made.verdict is None:
                raise SystemExit(f"candidate {seq} failed: {made.error}")
            return made

        return await asyncio.gather(*(make(seq, item) for seq, item in enumerate(sources)))


def refused_by(made: Produced) -> frozenset[str]:
    """The graders that kept this candidate out."""
    failures = made.verdict.failures if made.verdict else ()
    return frozenset(failure.grader for failure in failures)


def tokens(made: Produced) -> int:
    """Completion tokens of one candidate."""
    return made.candidate.completion_tokens if made.candidate else 0


def aborted(made: Produced) -> bool:
    """Whether this candidate's text was stopped."""
    return made.candidate is not None and made.candidate.finish_reason == "aborted"


def accepted_text(made: Produced) -> str | None:
    """The text, if the stateless graders let it pass."""
    passed = made.verdict is not None and made.verdict.accepted
    return made.candidate.text if passed and made.candidate else None


def spared_at_first_objection(made: Produced) -> float:
    """Tokens after the end of the first words that a grader holds against a finished text."""
    if made.candidate is None or made.verdict is None:
        return 0.0
    refusing = refused_by(made).intersection(CHECKED)
    ends = [
        item.end
        for grade in made.grades
        if grade.grader in refusing
        for item in grade.evidence
        if not item.supports and item.end is not None
    ]
    length = len(made.candidate.text)
    return tokens(made) * (1 - min(ends) / length) if ends and length else 0.0


def summarise(off: Sequence[Produced], on: Sequence[Produced]) -> dict[str, Any]:
    """Shares of completion tokens saved, and what aborts changed beside (nothing, it should be)."""
    pairs = list(zip(off, on, strict=True))
    doomed = [(full, cut) for full, cut in pairs if refused_by(full).intersection(CHECKED)]
    stopped = [(full, cut) for full, cut in pairs if aborted(cut)]
    spent = sum(tokens(full) for full, _ in doomed)
    saved = sum(tokens(full) - tokens(cut) for full, cut in doomed)
    everything = sum(tokens(full) for full, _ in pairs)
    finished = [tokens(cut) for _, cut in pairs if not aborted(cut)]
    mean = sum(finished) / len(finished) if finished else 0.0
    return {
        "candidates": len(pairs),
        "refused": len(doomed),
        "refused_by": dict(Counter(name for full, _ in doomed for name in refused_by(full))),
        "aborted": len(stopped),
        "aborted_by": dict(Counter(name for _, cut in stopped for name in refused_by(cut))),
        "tokens_of_refused": spent,
        "tokens_saved": saved,
        "tokens_saved_as_winnow_estimates": max(
            0.0, len(stopped) * mean - sum(tokens(cut) for _, cut in stopped)
        ),
        "share_of_refused_saved": saved / spent if spent else None,
        "share_of_refused_after_first_objection": (
            sum(spared_at_first_objection(full) for full, _ in doomed) / spent if spent else None
        ),
        "share_of_all_saved": saved / everything if everything else None,
        "aim": AIM,
        "aborted_but_accepted_without": sum(accepted_text(full) is not None for full, _ in stopped),
        "accepted_that_differ": sum(
            accepted_text(full) != accepted_text(cut) for full, cut in pairs
        ),
    }


def watch_cost(
    recipe: str, sources: Sequence[KnownSource], texts: Sequence[Produced]
) -> dict[str, float]:
    """Microseconds of CPU that one call of a watch takes, mean and worst, over these texts."""
    from graders.consistency import ConsistencyGrader
    from graders.streaming import ClaimWatch

    config = GradersConfig().consistency
    version = ConsistencyGrader(config).version
    start = SHIPPED[recipe].body_start
    assert start is not None
    times = []
    for item, made in zip(sources, texts, strict=True):
        text = made.candidate.text if made.candidate else ""
        watch = ClaimWatch(config, item.source, start, version)
        for end in range(EVERY_CHARS, len(text), EVERY_CHARS):
            began = time.thread_time()
            found = watch(text[:end])
            times.append(1e6 * (time.thread_time() - began))
            if found:
                break
    return {"calls": len(times), "mean": sum(times) / max(1, len(times)), "worst": max(times)}


async def measure(recipe: str, model: str, count: int, seed: int) -> dict[str, Any]:
    """Both runs of one recipe."""
    sources = known_sources(recipe, count, seed)
    pool = EnginePool({model: TransformersConfig(model=model)})
    try:
        off = await write(pool, recipe, model, sources, seed, abort=False)
        on = await write(pool, recipe, model, sources, seed, abort=True)
    finally:
        await pool.aclose()
    return {**summarise(off, on), "watch_microseconds": watch_cost(recipe, sources, off)}


def table(results: dict[str, dict[str, Any]]) -> str:
    """A Markdown table, a line a recipe."""
    lines = [
        "| recipe | candidates | refused by form or consistency | aborted | their tokens saved "
        "| all tokens saved | accepted samples changed |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in results.items():
        shares = (row["share_of_refused_saved"], row["share_of_all_saved"])
        refused, all_ = ("-" if share is None else f"{share:.1%}" for share in shares)
        lines.append(
            f"| `{name}` | {row['candidates']} | {row['refused']} | {row['aborted']} | {refused} "
            f"| {all_} | {row['accepted_that_differ']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="winnow-tiny", help="name, path or hub id")
    parser.add_argument("--count", type=int, default=300, help="candidates per recipe")
    parser.add_argument(
        "--recipes", nargs="+", default=["essay", "dialogue"], choices=["essay", "dialogue"]
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for json and md")
    arguments = parser.parse_args()
    environment = describe_environment()
    results = {}
    for name in arguments.recipes:
        results[name] = asyncio.run(measure(name, arguments.model, arguments.count, arguments.seed))
        print(json.dumps(results[name], indent=1), flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    report = {"environment": environment, "seed": arguments.seed, "recipes": results}
    write_result(arguments.out / "aborts.json", report)
    (arguments.out / "aborts.md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()
