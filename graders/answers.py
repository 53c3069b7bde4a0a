"""Is a worked solution right? Steps recomputed, answer compared, problem solved again.

Independent re-solution is self-consistency (Wang et al. 2023, section 2): the first is greedy,
the others are sampled with seeds of their own.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from graders.base import Complete, Completion
from graders.config import AnswersConfig
from graders.equivalence import answer_in, load_math_verify, same_answer
from graders.judge import SOLVE_PROMPT
from graders.types import Candidate, Evidence, Grade
from graders.working import Fault, check_working, checks_made

SOLVE_MAX_TOKENS = 256
_SEED_STRIDE = 1_000_003


@dataclass(slots=True)
class _Case:
    """One candidate, what was found and what the model answered; filled in on the way."""

    candidate: Candidate
    checks: int = 0
    faults: list[Fault] = field(default_factory=list)
    passed: list[Fault] = field(default_factory=list)
    ungraded: str | None = None
    asked: bool = False
    answers: dict[int, str] = field(default_factory=dict)
    trouble: str = ""


class AnswersGrader:
    """Scores 1 when every check holds, else 1 minus the share of those that fail.

    With `gold` the final answer decides, beside the steps. Without it, and with `complete`, the
    problem is solved anew `resolutions` times, and `agree` of them must give the same answer.
    """

    name = "answers"
    version = "1"

    def __init__(
        self, config: AnswersConfig | None = None, complete: Complete | None = None
    ) -> None:
        self.config = config or AnswersConfig()
        self.complete = complete

    async def start(self) -> None:
        """Import Math-Verify in a thread, lest the first hard answer hold up the event loop."""
        await asyncio.to_thread(load_math_verify)

    async def aclose(self) -> None:
        """Nothing to close."""

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        """One grade per candidate, in order; every re-solution is asked for in one call."""
        started = time.perf_counter()
        cases = [_examine(candidate) for candidate in candidates]
        if self.complete is not None and self.config.resolutions:
            await self._solve_again(cases, self.complete)
        seconds = (time.perf_counter() - started) / max(1, len(cases))
        return [self._grade(case, seconds) for case in cases]

    async def _solve_again(self, cases: Sequence[_Case], complete: Complete) -> None:
        """Greedy and sampled solutions differ in temperature: two calls, side by side."""
        unsure = [case for case in cases if _needs_solving(case)]
        temperature, extra = self.config.resolution_temperature, self.config.resolutions - 1
        for case in unsure:
            case.asked = True
        await asyncio.gather(
            _ask(unsure, range(1), complete, 0.0),
            _ask(unsure, range(1, 1 + extra), complete, temperature),
        )
        for case in unsure:
            self._compare(case)

    def _compare(self, case: _Case) -> None:
        given = _final_answer(case.candidate) or ""
        agreeing = [
            answer for _, answer in sorted(case.answers.items()) if same_answer(answer, given)
        ]
        case.checks += 1
        if len(case.answers) < self.config.agree:
            case.ungraded = (
                f"{len(case.answers)} of {self.config.resolutions} re-solutions gave an answer; "
                f"{self.config.agree} are needed" + (f" ({case.trouble})" if case.trouble else "")
            )
            return
        told = f"{len(agreeing)} of {len(case.answers)} independent solutions agree"
        listed = "independent answers: " + ", ".join(
            answer for _, answer in sorted(case.answers.items())
        )
        fault = Fault("re-solution", given, told, "answer", None, listed)
        (case.passed if len(agreeing) >= self.config.agree else case.faults).append(fault)

    def _grade(self, case: _Case, seconds: float) -> Grade:
        evidence = [_evidence(case.candidate, fault, False) for fault in case.faults]
        evidence += [_evidence(case.candidate, fault, True) for fault in case.passed]
        if case.ungraded is not None and not case.faults:
            return Grade(
                self.name, self.version, None, tuple(evidence), case.ungraded, seconds
            )  # fmt: skip
        failed = len(case.faults)
        score = 1 - min(1.0, failed / max(1, case.checks))
        if any(fault.check == "gold" for fault in case.faults):
            score = 0.0
        return Grade(self.name, self.version, score, tuple(evidence), None, seconds)


def _examine(candidate: Candidate) -> _Case:
    case = _Case(candidate)
    question, gold = candidate.question, candidate.gold
    answer = _final_answer(candidate)
    if question is None and gold is None:
        case.ungraded = "neither a problem nor a gold answer to hold the answer against"
        return case
    if candidate.malformed is not None and gold is None:
        case.ungraded = f"the text is malformed: {candidate.malformed}"
        return case
    if gold is not None:
        _compare_with_gold(case, gold, answer)
        case.faults += [f for f in check_working(None, candidate.body, None) if f.check == "step"]
        case.checks += checks_made(None, candidate.body, None)
        return case
    if answer is None:
        case.ungraded = "the text gives no final answer"
        return case
    stated = answer if candidate.answer is not None else None
    case.checks = checks_made(question, candidate.body, stated)
    case.faults = check_working(question, candidate.body, stated)
    if not case.faults:
        case.passed.append(Fault("steps", candidate.body, "every step holds", "body", 0))
    return case


def _compare_with_gold(case: _Case, gold: str, answer: str | None) -> None:
    case.checks += 1
    if answer is not None and same_answer(gold, answer):
        case.passed.append(Fault("gold", answer, "equals the gold answer", "answer", None, gold))
        return
    reason = "there is no answer" if answer is None else f"the gold answer is {gold}"
    case.faults.append(Fault("gold", answer or "", reason, "answer", None, gold))


def _final_answer(candidate: Candidate) -> str | None:
    if candidate.answer is not None:
        return candidate.answer.strip() or None
    return answer_in(candidate.text)


def _needs_solving(case: _Case) -> bool:
    return case.candidate.gold is None and not case.faults and case.ungraded is None


async def _ask(
    cases: Sequence[_Case], rounds: range, complete: Complete, temperature: float
) -> None:
    asked = [(case, turn) for case in cases for turn in rounds]
    if not asked:
        return
    prompts = [SOLVE_PROMPT.format(problem=case.candidate.question) for case, _ in asked]
    seeds = [(case.candidate.seed + turn * _SEED_STRIDE) % 2**31 for case, turn in asked]
    replies = await complete(
        prompts, max_tokens=SOLVE_MAX_TOKENS, temperature=temperature, seeds=seeds
    )
    for (case, turn), reply in zip(asked, replies, strict=True):
        _hear(case, turn, reply)


def _hear(case: _Case, turn: int, reply: Completion) -> None:
    answer = answer_in(reply.text) if reply.error is None else None
    if answer is None:
        case.trouble = reply.error or "no answer in the reply"
    else:
        case.answers[turn] = answer


def _evidence(candidate: Candidate, fault: Fault, supports: bool) -> Evidence:
    start = _locate(candidate, fault)
    end = None if start is None else start + len(fault.quote)
    return Evidence(fault.quote, fault.reason, start, end, fault.against, supports=supports)


def _locate(candidate: Candidate, fault: Fault) -> int | None:
    """Where the quote stands in the candidate's text, None if it is not there verbatim."""
    part = {"body": candidate.body, "question": candidate.question}.get(fault.where)
    if part is None:
        at = candidate.text.rfind(fault.quote) if fault.quote else -1
        return at if at >= 0 else None
    base = candidate.text.find(part)
    within = part.find(fault.quote) if fault.start is None else fault.start
    return None if base < 0 or within < 0 else base + within
