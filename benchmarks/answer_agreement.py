"""Without gold: is an answer right when enough other models, asked independently, give it too?"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from graders.equivalence import same_answer
from graders.final_answer import answer_in

AIM: Final = 0.98
"""Share of the accepted that must be right, on the half on which the rule is chosen."""

_GPT3: Final = (
    "gpt3-6b_finetuning", "gpt3-6b_verification", "gpt3-175b_finetuning", "gpt3-175b_verification",
)  # fmt: skip
_TUNED: Final = (
    "abel_7b", "abel_13b", "abel_70b", "metamath_7b", "metamath_13b", "metamath_70b",
)  # fmt: skip
POOLS: Final[Mapping[str, tuple[str, ...]]] = {
    "twelve models, GPT-3 6B to GPT-4": (*_GPT3, *_TUNED, "gpt-3.5-turbo", "gpt4"),
    "eleven models, without GPT-4": (*_GPT3, *_TUNED, "gpt-3.5-turbo"),
    "six open models of 7B to 70B": _TUNED,
    "four GPT-3 set-ups": _GPT3,
}
"""Who solves: each model's answer is judged by the agreement of the others in its pool."""

Row = dict[str, Any]
Share = Callable[[Iterable[tuple[str, bool]]], dict[str, Any]]


def agreement(
    rows: Sequence[Row], is_reported: Callable[[str], bool], share: Share
) -> dict[str, Any]:
    """Precision and coverage of three rules over the answers of a pool.

    `held_out`: the least number of agreeing others that meets AIM on one half of the questions
    (or else the one with the highest precision there), judged on the other, reported half.
    `crossed`: that both ways round, each half by the number chosen on the other. `majority`: more
    than half of the others, on all questions; nothing is chosen.
    """
    votes = _votes(rows)
    halves = [[v for v in votes if is_reported(v[0]) == side] for side in (False, True)]
    others = len({row["model"] for row in rows}) - 1
    chosen = [_least(half, others) for half in halves]
    majority = others // 2 + 1
    return {
        "others": others,
        "right_at_all": share((q, right) for q, right, _ in votes),
        "held_out": _judged([(halves[1], chosen[0])], share),
        "crossed": _judged([(halves[0], chosen[1]), (halves[1], chosen[0])], share),
        "majority": _judged([(votes, majority)], share),
        "curve": [
            {"needed": n, "precision": _precision(votes, n), "coverage": _coverage(votes, n)}
            for n in range(others + 1)
        ],
    }


def _judged(parts: Sequence[tuple[Sequence["Vote"], int]], share: Share) -> dict[str, Any]:
    """Precision and coverage over parts, each with its own number of others needed."""
    judged = [(q, right, count >= needed) for votes, needed in parts for q, right, count in votes]
    return {
        "needed": [needed for _, needed in parts],
        "precision": share((q, right) for q, right, accepted in judged if accepted),
        "coverage": share((q, accepted) for q, _, accepted in judged),
    }


Vote = tuple[str, bool, int]
"""A question, whether the answer is right, and how many others give the same."""


def _votes(rows: Sequence[Row]) -> list[Vote]:
    by_question: dict[str, list[tuple[str | None, Row]]] = defaultdict(list)
    for row in rows:
        by_question[row["question"]].append((answer_in(row["response"]), row))
    votes = []
    for question, answers in by_question.items():
        for place, (answer, row) in enumerate(answers):
            if answer is None:
                votes.append((question, bool(row["correct"]), 0))
                continue
            rest = [other for n, (other, _) in enumerate(answers) if n != place]
            count = sum(other is not None and _same(answer, other) for other in rest)
            votes.append((question, bool(row["correct"]), count))
    return votes


@lru_cache(maxsize=100_000)
def _same(one: str, other: str) -> bool:
    return same_answer(one, other)


def _least(votes: Sequence[Vote], most: int) -> int:
    reached = [(n, _precision(votes, n) or 0.0) for n in range(1, most + 1)]
    meeting = [n for n, precision in reached if precision >= AIM]
    return min(meeting) if meeting else max(reached, key=lambda item: item[1])[0]


def _precision(votes: Sequence[Vote], needed: int) -> float | None:
    accepted = [right for _, right, count in votes if count >= needed]
    return sum(accepted) / len(accepted) if accepted else None


def _coverage(votes: Sequence[Vote], needed: int) -> float:
    return sum(count >= needed for _, _, count in votes) / len(votes)
