"""Closed book: does the model say the same when it is asked again? What it made up, it varies.

Claims are held against new answers to the same prompt (SelfCheckGPT: Manakul et al. 2023, section
5). Short answers are counted by meaning (semantic entropy: Farquhar et al. 2024, Methods).
"""

import asyncio
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Final

from graders.base import Complete, Completion
from graders.claims import Claim, split_claims
from graders.config import AgreementConfig
from graders.entailment.model import CrossEncoder, Pair, load_encoder, weights_of
from graders.entailment.premise import SourceIndex, find_terms
from graders.equivalence import load_math_verify, same_answer
from graders.errors import UngradedError
from graders.final_answer import answer_in
from graders.grounding import is_negative
from graders.quantities import find_quantities
from graders.types import Candidate, Evidence, Grade

SHORT_WORDS: Final = 8
"""A body of at most so many words is one answer, unless it is a sentence that states something."""
_FEWEST_OF_SENTENCE: Final = 4
_FINITE: Final = frozenset(
    "is are was were be been has have had do does did can could will would shall should may might "
    "must isn't aren't wasn't weren't doesn't didn't".split()
)
_QUALIFIERS: Final = frozenset(
    "new old north south east west northern southern eastern western central upper lower inner "
    "outer great greater little lesser saint st san santa port fort equatorial".split()
)
"""Before a name, words that make it another's: New York is not York."""
_KINDS: Final = frozenset(
    "river ocean sea lake city desert mountain mountains island islands valley falls bay".split()
)
"""After a name, words that only say what it is: the Nile River is the Nile."""
_SENTENCE_WORDS: Final = 30
MAX_CLAIMS: Final = 200
BY_WORDS: Final = "words"
"""The `model` that is none: shared words and numbers tell support."""
_SEED_STRIDE: Final = 1_000_003
_SHOWN: Final = 300
_STATED: Final = re.compile(
    r"(?:^|\n)[ \t>*]*(?:final )?answer[ \t*]*[:=]|\\boxed|####", re.IGNORECASE
)
_WORD: Final = re.compile(r"[^\W_]+")


@dataclass(slots=True)
class _Case:
    """One candidate and what the model wrote instead; filled in as replies come."""

    candidate: Candidate
    prompt: str
    claims: list[Claim]
    answers: list[str] = field(default_factory=list)
    trouble: str = ""


class AgreementGrader:
    """Scores the weakest claim's mean support over the new answers; a short answer's share.

    `complete` asks the model that wrote the candidate. The cross-encoder `config.model` tells how
    far an answer supports a claim; with BY_WORDS, shared words and numbers do.
    """

    name = "agreement"
    version = "3"

    def __init__(
        self,
        config: AgreementConfig | None = None,
        complete: Complete | None = None,
        encoder: CrossEncoder | None = None,
    ) -> None:
        self.config = config or AgreementConfig()
        if self.config.model != BY_WORDS:
            self.version = f"{type(self).version}-{weights_of(self.config.model)}"
        self.complete = complete
        self._encoder = encoder

    async def start(self) -> None:
        """Load in threads what else would hold up the event loop.

        Raises GraderConfigError when the cross-encoder can't be loaded.
        """
        await asyncio.to_thread(load_math_verify)
        if self._encoder is None and self.config.model != BY_WORDS:
            self._encoder = await asyncio.to_thread(load_encoder, self.config.model)

    async def aclose(self) -> None:
        """Nothing to close."""

    async def grade(self, candidates: Sequence[Candidate]) -> list[Grade]:
        """One grade per candidate, in order; all new answers are asked for in one call.

        Most of them must come, or the candidate is ungraded.
        """
        cases = [_open_case(candidate) for candidate in candidates]
        if self.complete is None:
            no_model = "there is no model to ask again: name one"
            return [self._ungraded(case if isinstance(case, str) else no_model) for case in cases]
        await self._ask([case for case in cases if isinstance(case, _Case)], self.complete)
        return list(await asyncio.gather(*(self._grade(case) for case in cases)))

    async def _ask(self, cases: Sequence[_Case], complete: Complete) -> None:
        config = self.config
        asked = [(case, turn) for case in cases for turn in range(1, config.samples + 1)]
        if not asked:
            return
        replies = await complete(
            [case.prompt for case, _ in asked],
            max_tokens=config.max_tokens,
            temperature=config.temperature,
            seeds=[(case.candidate.seed + turn * _SEED_STRIDE) % 2**31 for case, turn in asked],
        )
        for (case, _), reply in zip(asked, replies, strict=True):
            _hear(case, reply)

    async def _grade(self, case: _Case | str) -> Grade:
        if isinstance(case, str):
            return self._ungraded(case)
        came, asked = len(case.answers), self.config.samples
        if 2 * came <= asked:
            return self._ungraded(f"{came} of {asked} new answers came: {case.trouble}")
        if short := _short_answer(case.candidate):
            return await asyncio.to_thread(self._grade_short, case, short)
        try:
            support = await asyncio.to_thread(_support, case, self._encoder)
        except UngradedError as exc:
            return self._ungraded(str(exc))
        evidence = [self._evidence(case, n, row) for n, row in enumerate(support)]
        ordered = tuple(item for _, item in sorted(evidence, key=lambda scored: scored[0]))
        return Grade(self.name, self.version, min(mean for mean, _ in evidence), ordered)

    def _grade_short(self, case: _Case, given: str) -> Grade:
        answers = [_answer_of(case.candidate, answer) for answer in case.answers]
        agreeing = [answer for answer in answers if _same(given, answer)]
        share, meanings = len(agreeing) / len(answers), cluster_sizes(answers)
        told = (
            f"{len(agreeing)} of {len(answers)} new answers agree; semantic entropy "
            f"{semantic_entropy(meanings):.2f} over {len(meanings)} meanings"
        )
        at = case.candidate.text.rfind(given)
        start, end = (at, at + len(given)) if at >= 0 else (None, None)
        other = next((answer for answer in answers if answer not in agreeing), answers[0])
        passes = share >= self.config.threshold
        found = Evidence(
            given, told, start, end, other[:_SHOWN],
            supports=passes, claim=given, probability=share,
        )  # fmt: skip
        return Grade(self.name, self.version, share, (found,))

    def _evidence(self, case: _Case, n: int, support: list[float]) -> tuple[float, Evidence]:
        claim, mean = case.claims[n], sum(support) / len(support)
        against = _nearest_sentence(claim.text, case.answers[support.index(min(support))])
        upheld = sum(value >= 0.5 for value in support)
        told = f"{upheld} of {len(support)} new answers support this (mean {mean:.2f})"
        base = case.candidate.text.find(case.candidate.body)
        start, end = (base + claim.start, base + claim.end) if base >= 0 else (None, None)
        return mean, Evidence(
            claim.text,
            told,
            start,
            end,
            against,
            supports=mean >= self.config.threshold,
            claim=claim.text,
            probability=None if self._encoder is None else mean,
        )

    def _ungraded(self, reason: str) -> Grade:
        return Grade(self.name, self.version, None, ungraded=reason)


def semantic_entropy(sizes: Sequence[int]) -> float:
    """Of answers in clusters of these sizes, in nats; 0 when all mean the same."""
    total = sum(sizes)
    return sum(-size / total * log(size / total) for size in sizes)


def cluster_sizes(answers: Sequence[str]) -> list[int]:
    """How many answers share each meaning; each joins the first cluster whose first it equals."""
    firsts: list[str] = []
    sizes: Counter[int] = Counter()
    for answer in answers:
        place = next((n for n, first in enumerate(firsts) if _same(first, answer)), len(firsts))
        if place == len(firsts):
            firsts.append(answer)
        sizes[place] += 1
    return [sizes[place] for place in range(len(firsts))]


def lexical_support(claim: str, answer: str) -> float:
    """The weighted share of the claim's content words that the answer has, too; 0 when it lacks
    one of the claim's numbers (after SelfCheckGPT's unigram variant, Manakul et al. 2023, 5.3).
    """
    terms, others = find_terms(claim), find_terms(answer)
    if not terms or any(term[0].isdigit() and term not in others for term in terms):
        return 0.0
    return sum(weight for term, weight in terms.items() if term in others) / sum(terms.values())


def _open_case(candidate: Candidate) -> _Case | str:
    prompt = candidate.prompt or candidate.question
    if not prompt or not prompt.strip():
        return "neither a prompt nor a question to ask again"
    claims = split_claims(candidate.body)
    if not claims and not _short_answer(candidate):
        return "no checkable claim"
    if len(claims) > MAX_CLAIMS:
        return f"{len(claims)} claims; at most {MAX_CLAIMS} are held against new answers"
    return _Case(candidate, prompt, claims)


def _hear(case: _Case, reply: Completion) -> None:
    if reply.error is None and reply.text.strip():
        case.answers.append(reply.text.strip())
    else:
        case.trouble = reply.error or "an empty reply"


def _support(case: _Case, encoder: CrossEncoder | None) -> list[list[float]]:
    """By claim, then by new answer: how likely the answer supports the claim."""
    if encoder is None:
        return [[lexical_support(c.text, answer) for answer in case.answers] for c in case.claims]
    indexes = [SourceIndex(answer) for answer in case.answers]
    pairs = list(_pairs(case.claims, indexes))
    found = [support.probability for support in encoder.support(pairs)]
    width = len(indexes)
    return [found[n : n + width] for n in range(0, len(found), width)]


def _pairs(claims: Sequence[Claim], indexes: Sequence[SourceIndex]) -> Iterator[Pair]:
    for n, claim in enumerate(claims):
        before = claims[n - 1].text if n else ""
        for index in indexes:
            yield Pair(index.premise(claim.text, before).text, claim.text, before)


def _short_answer(candidate: Candidate) -> str | None:
    """The final answer of a text that comes to one: parsed out, or the whole of a short body."""
    if candidate.answer is not None and candidate.answer.strip():
        return candidate.answer.strip()
    body = candidate.body.strip()
    short = 0 < len(body.split()) <= SHORT_WORDS
    return _stated(body) if short and not _is_sentence(body) else None


def _is_sentence(body: str) -> bool:
    """Whether a short body states something, and does not merely name an answer or mark one."""
    words = body.split()
    if len(words) < _FEWEST_OF_SENTENCE or _STATED.search(body) or not split_claims(body):
        return False
    return body[-1] in ".!" or not _FINITE.isdisjoint(body.casefold().split())


def _answer_of(candidate: Candidate, text: str) -> str:
    """What a new answer comes to, read as the candidate was."""
    return answer_in(text) or text if candidate.answer is not None else _stated(text)


def _stated(text: str) -> str:
    """The answer that a text marks as such, else the whole of it."""
    return (answer_in(text) if _STATED.search(text) else None) or text


def _same(one: str, other: str) -> bool:
    """Equal in value or wording; or one stands in the other, a sentence, and neither denies.

    Numbers and letters of options are compared as such alone: 500 stands in 1,500, A in "B, a dog".
    """
    if same_answer(one, other):
        return True
    short, long = sorted((one, other), key=lambda text: len(_words(text)))
    if any(char.isdigit() for char in one + other) or find_quantities(short):
        return False
    if sum(char.isalpha() for char in short) < 2 or len(_words(long)) > _SENTENCE_WORDS:
        return False
    return _stands_in(short, long) and is_negative(one) == is_negative(other)


def _stands_in(short: str, long: str) -> bool:
    """Whether a text has all words of another in a row, and not as part of a longer name."""
    wanted, found = [word[0].casefold() for word in _words(short)], _words(long)
    folded = [word[0].casefold() for word in found]
    for at in range(len(found) - len(wanted) + 1):
        end = at + len(wanted)
        if folded[at:end] != wanted or (at and folded[at - 1] in _QUALIFIERS):
            continue
        gap = long[found[end - 1].end() : found[end].start()] if end < len(found) else "."
        if gap.strip(" -") or not found[end][0][0].isupper() or folded[end] in _KINDS:
            return True
    return False


def _words(text: str) -> list[re.Match[str]]:
    return list(_WORD.finditer(text))


def _nearest_sentence(claim: str, answer: str) -> str:
    """The sentence of a new answer that speaks most of what the claim does."""
    sentences = [found.text for found in split_claims(answer)] or [answer]
    return max(sentences, key=lambda sentence: _overlap(claim, sentence))[:_SHOWN]


def _overlap(claim: str, sentence: str) -> float:
    terms, others = find_terms(claim), find_terms(sentence)
    return sum(weight for term, weight in terms.items() if term in others)
