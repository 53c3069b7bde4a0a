"""Is a worked solution right? Answer compared, steps recomputed, problem solved again.

Independent re-solution is self-consistency (Wang et al. 2023, section 2): of each model that is
asked, the first is greedy, the others are sampled with seeds of their own.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from graders.arithmetic import find_equations
from graders.base import Complete, Completion
from graders.config import AnswersConfig
from graders.equivalence import load_math_verify, same_answer
from graders.final_answer import answer_in
from graders.prompts import SOLVE_PROMPT
from graders.types import Candidate, Evidence, Grade
from graders.working import Fault, check_steps, check_working

logger = logging.getLogger(__name__)

MAX_CHARS: Final = 20_000
"""Longest working, and longest problem, that is checked: a bound on the time a text can take."""
NO_SOLVER: Final = "no model to solve the problem again: name one, or give the gold answer"
_SEED_STRIDE: Final = 1_000_003


@dataclass(slots=True)
class _Case:
    """One candidate, what was found and what each model answered; filled in on the way."""

    candidate: Candidate
    answer: str | None
    faults: list[Fault] = field(default_factory=list)
    passed: list[Fault] = field(default_factory=list)
    noted: list[Fault] = field(default_factory=list)
    ungraded: str | None = None
    agreement: float = 1.0
    answers: list[dict[int, str]] = field(default_factory=list)
    trouble: str = ""


class AnswersGrader:
    """Scores a final answer.

    With `gold` the final answer alone decides, 1 or 0; steps that do not compute are named in the
    evidence, and fail the text only with `strict_steps`. Without gold any fault scores 0. Where
    none is found the problem is solved anew, and the score is the share of the new solutions
    that reach the same answer, averaged over the models asked. Without a model there is no score;
    only with `resolutions` 0 does a recipe's working pass that was traced number by number.
    """

    name = "answers"
    version = "6"

    def __init__(
        self,
        config: AnswersConfig | None = None,
        complete: Complete | None = None,
        second: Complete | None = None,
    ) -> None:
        self.config = config or AnswersConfig()
        self.solvers = [solver for solver in (complete, second) if solver is not None]

    async def start(self) -> None:
        """Import Math-Verify in a thread, lest the first hard answer hold up the event loop."""
        await asyncio.to_thread(load_math_verify)

    async def aclose(self) -> None:
        """Nothing to close."""

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        """One grade per candidate, in order; each model gets its re-solutions in two calls."""
        cases = await asyncio.to_thread(_examine_all, candidates, self.config)
        unsure = [case for case in cases if _needs_solving(case)]
        if unsure and self.solvers and self.config.resolutions:
            await self._solve_again(unsure)
        else:
            for case in unsure:
                case.ungraded = _why_unsolved(case, self.config)
        return [self._grade(case) for case in cases]

    async def _solve_again(self, unsure: Sequence[_Case]) -> None:
        for case in unsure:
            case.answers = [{} for _ in self.solvers]
        await asyncio.gather(
            *(
                self._ask(unsure, number, turns, temperature)
                for number in range(len(self.solvers))
                for turns, temperature in (
                    (range(1), 0.0),
                    (range(1, self.config.resolutions), self.config.resolution_temperature),
                )
            )
        )
        for case in unsure:
            try:
                self._compare(case)
            except Exception as exc:  # noqa: BLE001 - whatever it is, the others are graded on
                _fail(case, exc)

    async def _ask(
        self, cases: Sequence[_Case], solver: int, turns: range, temperature: float
    ) -> None:
        asked = [(case, turn) for case in cases for turn in turns]
        if not asked:
            return
        prompts = [SOLVE_PROMPT.format(problem=case.candidate.question) for case, _ in asked]
        seeds = [(case.candidate.seed + turn * _SEED_STRIDE) % 2**31 for case, turn in asked]
        replies = await self.solvers[solver](
            prompts,
            max_tokens=self.config.resolution_max_tokens,
            temperature=temperature,
            seeds=seeds,
        )
        for (case, turn), reply in zip(asked, replies, strict=True):
            _hear(case, solver, turn, reply)

    def _compare(self, case: _Case) -> None:
        given = case.answer or ""
        heard = [[answer for _, answer in sorted(said.items())] for said in case.answers]
        fewest = min(len(answers) for answers in heard)
        needed = self.config.answers_needed or self.config.resolutions
        if fewest < needed:
            case.ungraded = (
                f"{fewest} of {self.config.resolutions} re-solutions gave an answer; "
                f"{needed} are needed" + (f" ({case.trouble})" if case.trouble else "")
            )
            return
        agreeing = [sum(same_answer(answer, given) for answer in answers) for answers in heard]
        shares = [count / len(all_) for count, all_ in zip(agreeing, heard, strict=True)]
        case.agreement = sum(shares) / len(shares)
        told = f"{sum(agreeing)} of {sum(map(len, heard))} independent solutions agree"
        listed = "independent answers: " + "; ".join(", ".join(answers) for answers in heard)
        fault = Fault("re-solution", given, told, "answer", None, listed)
        (case.passed if case.agreement >= self.config.threshold else case.noted).append(fault)

    def _grade(self, case: _Case) -> Grade:
        evidence = [
            _evidence(case.candidate, fault, fault in case.passed)
            for fault in (*case.faults, *case.noted, *case.passed)
        ]
        reason = None if case.faults else case.ungraded
        score = 0.0 if case.faults else case.agreement
        given = score if reason is None else None
        return Grade(self.name, self.version, given, tuple(evidence), reason)


def _examine_all(candidates: Sequence[Candidate], config: AnswersConfig) -> list[_Case]:
    """The rules' findings: up to half a second for the longest text, so no work for the loop."""
    cases = []
    for candidate in candidates:
        try:
            case = _examine(candidate, config)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the others are graded on
            _fail(case := _Case(candidate, None), exc)
        cases.append(case)
    return cases


def _fail(case: _Case, exc: Exception) -> None:
    """Leave a case ungraded that broke its checks, which is a fault of ours."""
    logger.error("answers: a text can't be checked", exc_info=exc)
    case.ungraded = f"the text can't be checked: {type(exc).__name__}"


def _examine(candidate: Candidate, config: AnswersConfig) -> _Case:
    case = _Case(candidate, None)
    longest = max(len(candidate.text), len(candidate.question or ""))
    if candidate.question is None and candidate.gold is None:
        case.ungraded = "neither a problem nor a gold answer to hold the answer against"
    elif candidate.malformed is not None and candidate.gold is None:
        case.ungraded = f"the text is malformed: {candidate.malformed}"
    elif longest > MAX_CHARS:
        case.ungraded = f"too long to check: {longest} characters, at most {MAX_CHARS} are read"
    else:
        case.answer = _final_answer(candidate)
        if candidate.gold is not None:
            _compare_with_gold(case, candidate.gold, strict=config.strict_steps)
        else:
            _check(case, traced=config.trace_operands)
    return case


def _compare_with_gold(case: _Case, gold: str, *, strict: bool) -> None:
    answer = case.answer
    (case.faults if strict else case.noted).extend(check_steps(case.candidate.body))
    if answer is not None and same_answer(gold, answer):
        case.passed.append(Fault("gold", answer, "equals the gold answer", "answer", None, gold))
        return
    reason = "there is no answer" if answer is None else f"the gold answer is {gold}"
    case.faults.insert(0, Fault("gold", answer or "", reason, "answer", None, gold))


def _check(case: _Case, *, traced: bool) -> None:
    """Without gold: every fault counts. Only a recipe's working is traced operand by operand."""
    candidate = case.candidate
    if case.answer is None:
        case.ungraded = "the text gives no final answer"
        return
    by_recipe = candidate.answer is not None
    case.faults = check_working(
        candidate.question, candidate.body, case.answer, traced=traced and by_recipe
    )
    if not case.faults and find_equations(candidate.body):
        case.passed.append(Fault("steps", candidate.body, "every step holds", "body", 0))


def _final_answer(candidate: Candidate) -> str | None:
    if candidate.answer is not None:
        return candidate.answer.strip() or None
    return answer_in(candidate.text)


def _needs_solving(case: _Case) -> bool:
    unsettled = not case.faults and case.ungraded is None
    return case.candidate.gold is None and unsettled


def _why_unsolved(case: _Case, config: AnswersConfig) -> str | None:
    """Why no fault is not enough; None for a traced working of a recipe that nobody re-solves."""
    if config.resolutions:
        return NO_SOLVER
    if config.trace_operands and case.candidate.answer is not None:
        return None
    return "only a recipe's working can be traced instead of solved again (resolutions is 0)"


def _hear(case: _Case, solver: int, turn: int, reply: Completion) -> None:
    answer = answer_in(reply.text) if reply.error is None else None
    if answer is None:
        case.trouble = reply.error or "no answer in the reply"
    else:
        case.answers[solver][turn] = answer


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
