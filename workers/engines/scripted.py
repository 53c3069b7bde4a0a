"""Engine `scripted`, the shipped fake: writes and grades by rule, with mistakes at a set rate.

The same prompt and seed give the same text, in any process and beside any other request.
"""

import asyncio
import random
import re
from collections.abc import Callable
from functools import partial
from typing import Final

from graders import prompts
from graders.busy_time import BusyTime
from workers.engines import scripted_json, scripted_problems, scripted_prose
from workers.engines.base import FinishReason, Generation, GenerationRequest, OnText
from workers.engines.config import ScriptedConfig
from workers.errors import EngineError, EngineUnavailableError, PromptTooLongError
from workers.recipes import answer, dialogue, essay, problem_set

STREAM_EVERY = 8
LEAST_ROOM = 16
Parts = dict[str, str]
Writer = Callable[[Parts, random.Random, bool], str]
_STEP: Final = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")


def _judge_solution(parts: Parts, rng: random.Random, wrong: bool) -> str:
    """Solve the problem again, and look at every step."""
    own = scripted_problems.solve(parts["problem"], rng).rpartition("\n")[2]
    steps = [
        scripted_problems.OPERATIONS[sign](int(left), int(right)) == int(result)
        for left, sign, right, result in _STEP.findall(parts["solution"])
        if not (sign == "/" and int(right) == 0)
    ]
    holds = all(steps) and own == parts["solution"].strip().rpartition("\n")[2]
    return prompts.render_opinion("", holds)


PROMPTS: Final[tuple[tuple[str, Writer], ...]] = (
    (essay.PROMPT, lambda p, rng, wrong: scripted_prose.write_essay(p["source"], rng, wrong)),
    (problem_set.PROMPT, lambda p, rng, wrong: scripted_problems.write(rng, wrong)),
    (dialogue.PROMPT, lambda p, rng, wrong: scripted_prose.write_dialogue(p["source"], rng, wrong)),
    (answer.PROMPT, lambda p, rng, wrong: scripted_prose.write_answer(p["source"], rng, wrong)),
    (prompts.SOLVE_PROMPT, lambda p, rng, wrong: scripted_problems.solve(p["problem"], rng)),
    (prompts.CLAIM_PROMPT, lambda p, *_: scripted_prose.judge_claim(p["source"], p["claim"])),
    (prompts.VERDICT_PROMPT, lambda p, *_: scripted_prose.rule_on(p["source"], p["claim"])),
    (prompts.FACTS_PROMPT, lambda p, *_: scripted_prose.state_facts(p["labels"], p["claim"])),
    (prompts.SOLUTION_PROMPT, _judge_solution),
)
_RECIPES: Final = (essay.PROMPT, problem_set.PROMPT, dialogue.PROMPT, answer.PROMPT)


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.*)", re.escape(template)), re.DOTALL)


_READ: Final = [(template, _pattern(template), writer) for template, writer in PROMPTS]


class ScriptedEngine:
    """See workers.engines.base.Engine. Its grading answers are always right by its own rules."""

    def __init__(self, config: ScriptedConfig) -> None:
        self.model = config.model
        self.concurrency = config.concurrency
        self._config = config
        self._busy = BusyTime()
        self._running = False

    async def start(self) -> None:
        self._running = True

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        """One reply. Raises EngineError for a `failure_rate` share of requests."""
        if not self._running:
            raise EngineUnavailableError("the engine is not running: call start() first")
        config = self._config
        seed = request.seed if request.temperature else "greedy"
        rng = random.Random(f"{config.seed}|{seed}|{request.prompt}")
        prompt_tokens = self._tokens(len(request.prompt.split()))
        room = config.context - prompt_tokens
        if room < min(LEAST_ROOM, request.max_tokens):
            raise PromptTooLongError(
                f"the prompt has {prompt_tokens} tokens and the context holds {config.context}, "
                "prompt and reply together: shorten the source"
            )
        with self._busy.request() as seconds:
            await asyncio.sleep(config.latency_s)
            if rng.random() < config.failure_rate:
                raise EngineError("the scripted engine was told to fail this request")
            limit = min(room, request.max_tokens)
            text, reason = self._cut(self._write(request, rng), request, limit)
            text, reason = await self._show(text, reason, on_text)
            tokens = limit if reason == "length" else self._tokens(len(text.split()))
            return Generation(text, reason, prompt_tokens, tokens, seconds())

    async def aclose(self) -> None:
        self._running = False

    def _write(self, request: GenerationRequest, rng: random.Random) -> str:
        prompt = request.prompt
        wrong = rng.random() < self._config.wrong_rate
        malformed = rng.random() < self._config.malformed_rate
        if request.json_schema is not None:
            say = partial(scripted_prose.write_plain, prompt, rng, wrong)
            return scripted_json.write_json(request.json_schema, rng, say)
        for template, pattern, writer in _READ:
            if match := pattern.fullmatch(prompt):
                text = writer(match.groupdict(), rng, wrong)
                return _break(text) if malformed and template in _RECIPES else text
        return scripted_prose.write_plain(prompt, rng, wrong)

    def _tokens(self, words: int) -> int:
        return max(1, round(words * self._config.tokens_per_word))

    def _cut(self, text: str, request: GenerationRequest, limit: int) -> tuple[str, FinishReason]:
        """End the text at its first stop string or its last affordable word."""
        cuts = [at for stop in request.stop if (at := text.find(stop)) >= 0]
        text = text[: min(cuts)] if cuts else text
        if self._tokens(len(text.split())) <= limit:
            return text, "stop"
        affordable = max(1, int(limit / self._config.tokens_per_word))
        return text[: _word_ends(text)[affordable - 1]], "length"

    async def _show(
        self, text: str, reason: FinishReason, on_text: OnText | None
    ) -> tuple[str, FinishReason]:
        """Stream the text as if it grew by eight tokens at a time; others work in between."""
        if on_text is None:
            return text, reason
        pace = max(1, int(STREAM_EVERY / self._config.tokens_per_word))
        for end in _word_ends(text)[pace - 1 : -1 : pace]:
            if not on_text(text[:end]):
                return text[:end], "aborted"
            await asyncio.sleep(0)
        return text, reason


def _word_ends(text: str) -> list[int]:
    return [word.end() for word in re.finditer(r"\S+", text)]


def _break(text: str) -> str:
    """Lose the last line, and the first label: no recipe takes what remains."""
    return text.rpartition("\n")[0].partition(":")[2].strip() or "..."
