"""Training rows: writing, solving and grading, in the very prompts that recipes and graders use."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from graders.prompts import (
    CLAIM_PROMPT,
    FACTS_PROMPT,
    SOLUTION_PROMPT,
    SOLVE_PROMPT,
    render_opinion,
)
from graders.types import Source
from workers.recipes import dialogue, essay, problem_set
from workers.tiny.corpus import essays, problems, sheets, verdicts
from workers.tiny.corpus.extraction import compose_extraction
from workers.tiny.corpus.problems import Split

DRILL_PROMPT = "Compute."
"""Bare arithmetic; never asked at run time, it only teaches sums."""


@dataclass(frozen=True, slots=True)
class Row:
    """One exchange: the user's turn and the reply to learn."""

    task: str
    prompt: str
    reply: str


def _essay(rng: random.Random, split: Split) -> Row:
    sheet = sheets.compose_sheet(rng, split)
    source = Source(sheet.id, sheets.render_sheet(sheet))
    return Row("essay", essay.prompt(source), essay.render(*essays.compose_essay(sheet, rng)))


def _sheet_dialogue(rng: random.Random, split: Split) -> Row:
    sheet = sheets.compose_sheet(rng, split)
    source = Source(sheet.id, sheets.render_sheet(sheet))
    return Row("dialogue", dialogue.prompt(source), essays.compose_dialogue(sheet, rng))


def _problem_dialogue(rng: random.Random, split: Split) -> Row:
    problem = problems.compose_problem(rng, split, ease=problems.EASY)
    source = Source("problem", f"Problem: {problem.text}")
    reply = problems.render_problem_dialogue(problem, rng)
    return Row("problem_dialogue", dialogue.prompt(source), reply)


def _problem(rng: random.Random, split: Split) -> Row:
    problem = problems.compose_problem(rng, split, ease=problems.EASY)
    lines = problems.render_topic(problem).splitlines()
    topic = "\n".join(lines[: rng.choice((1, 2, len(lines), len(lines)))])
    reply = problem_set.render(problem.text, problems.render_solution(problem))
    return Row("problem_set", problem_set.prompt(Source("topic", topic)), reply)


def _solve(rng: random.Random, split: Split) -> Row:
    problem = problems.compose_problem(rng, split, ease=problems.EASY)
    return Row(
        "solve", SOLVE_PROMPT.format(problem=problem.text), problems.render_solution(problem)
    )


def _judge_claim(rng: random.Random, split: Split) -> Row:
    sheet = sheets.compose_sheet(rng, split)
    claim = essays.compose_claim(sheet, rng)
    prompt = CLAIM_PROMPT.format(source=sheets.render_sheet(sheet), claim=claim.text)
    quote = f"{claim.fact.label}: {claim.fact.value}"
    return Row("judge_claim", prompt, render_opinion(quote, claim.supported))


def _judge_frame(rng: random.Random, split: Split) -> Row:
    sheet = sheets.compose_sheet(rng, split)
    return _verdict_row(sheets.render_sheet(sheet), verdicts.judge_frame(sheet, rng))


def _judge_problem_claim(rng: random.Random, split: Split) -> Row:
    problem = problems.compose_problem(rng, split)
    verdict = verdicts.judge_problem_claim(problem, rng)
    return _verdict_row(f"Problem: {problem.text}", verdict)


def _verdict_row(source: str, verdict: verdicts.Verdict) -> Row:
    prompt = CLAIM_PROMPT.format(source=source, claim=verdict.claim)
    return Row("judge_claim", prompt, render_opinion(verdict.ground, verdict.holds))


def _extract(rng: random.Random, split: Split) -> Row:
    row = compose_extraction(rng, split)
    prompt = FACTS_PROMPT.format(labels=", ".join(row.labels), claim=row.sentence)
    return Row("extract", prompt, "\n".join(row.lines))


def _judge_solution(rng: random.Random, split: Split) -> Row:
    problem = problems.compose_problem(rng, split)
    right = rng.random() < 0.5
    solution = (
        problems.render_solution(problem) if right else problems.corrupt_solution(problem, rng)
    )
    prompt = SOLUTION_PROMPT.format(problem=problem.text, solution=solution)
    return Row("judge_solution", prompt, render_opinion("", right))


def _drill(rng: random.Random, split: Split) -> Row:
    return Row("drill", DRILL_PROMPT, problems.drill(rng, problems.EASY))


Composer = Callable[[random.Random, Split], Row]
TASKS: tuple[tuple[Composer, float], ...] = (
    (_essay, 0.20),
    (_sheet_dialogue, 0.08),
    (_problem_dialogue, 0.05),
    (_problem, 0.20),
    (_solve, 0.14),
    (_extract, 0.40),
    (_judge_claim, 0.05),
    (_judge_frame, 0.01),
    (_judge_problem_claim, 0.02),
    (_judge_solution, 0.03),
    (_drill, 0.80),
)
"""Each task and its weight. A row of drill or extraction is short: by tokens they weigh less."""


def compose_rows(seed: int, split: Split) -> Iterator[Row]:
    """An endless, reproducible stream of rows. Same seed and split, same rows."""
    rng = random.Random(f"{seed}-{split}")
    composers = [composer for composer, _ in TASKS]
    bounds = list(accumulate(weight for _, weight in TASKS))
    while True:
        yield rng.choices(composers, cum_weights=bounds)[0](rng, split)
