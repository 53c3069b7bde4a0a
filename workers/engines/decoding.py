"""The batch that the transformers engine decodes: rows join and leave between steps.

Batching at the level of one iteration, not of one request: Yu et al. 2022 (Orca), section 3.1.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache

from workers.engines import slot_cache
from workers.engines.base import FinishReason, Generation, GenerationRequest, OnText
from workers.engines.sampling import draw, uniforms
from workers.engines.shared_prefix import (
    Family,
    close_gaps,
    find_families,
    is_worth_it,
    shares_prefixes,
    spread,
)
from workers.engines.text_stream import TextStream

STREAM_EVERY = 4
"""Most tokens between two calls of a request's `on_text`; the start of a sentence is shown, too."""


@dataclass(eq=False)
class Row:
    """One request while it is decoded."""

    request: GenerationRequest
    prompt: list[int]
    limit: int
    stream: TextStream
    on_text: OnText | None
    future: Future[Generation]
    finish: FinishReason | None = None
    seconds: float = 0.0
    error: Exception | None = None
    slots: int | None = None
    uniforms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.uniforms = uniforms(self.request.seed, self.limit)

    @property
    def tokens(self) -> list[int]:
        return self.stream.tokens

    def accept(self, token: int, ends: frozenset[int], stops: frozenset[int]) -> None:
        """Take the next token; set `finish` when it is the last.

        Behind one of `stops` a sentence may be over, and can be judged.
        """
        spoken = bool(self.tokens) and self.tokens[-1] in stops
        self.tokens.append(token)
        if token in ends or (self.request.stop and self._stopped()):
            self.finish = "stop"
        elif len(self.tokens) >= self.limit:
            self.finish = "length"
        elif self.on_text and (spoken or len(self.tokens) % STREAM_EVERY == 0):
            self._show(self.on_text)

    def _stopped(self) -> bool:
        text = self.stream.read()
        return any(stop in text for stop in self.request.stop)

    def _show(self, on_text: OnText) -> None:
        try:
            if not on_text(self.stream.read()):
                self.finish = "aborted"
        except Exception as exc:  # noqa: BLE001 - a caller's function may raise anything
            self.finish, self.error = "aborted", exc

    def generation(self) -> Generation:
        """The result of a row that is finished."""
        assert self.finish is not None
        text = self.stream.finish()
        cuts = [at for stop in self.request.stop if (at := text.find(stop)) >= 0]
        text = text[: min(cuts)] if cuts else text
        return Generation(text, self.finish, len(self.prompt), len(self.tokens), self.seconds)


class RunningBatch:
    """The rows in flight and their attention cache. Owned by one thread."""

    def __init__(
        self, model: Any, ends: frozenset[int], stops: frozenset[int] = frozenset()
    ) -> None:
        self.rows: list[Row] = []
        self._model = model
        self._ends, self._stops = ends, stops
        self._device: torch.device = model.device
        self._cache: Cache = slot_cache.new_cache()
        self._shares = shares_prefixes(model.config)
        self._sampling: tuple[Tensor, Tensor] | None = None

    def prefill(self, group: Sequence[Row]) -> Cache:
        """Run the prompts of `group` and draw each one's first token. Touches no running row."""
        started = time.perf_counter()
        prompts = [row.prompt for row in group]
        cache = DynamicCache()
        families = find_families(prompts) if self._shares and len(group) > 1 else []
        if families and is_worth_it(families, list(map(len, prompts))):
            logits, cache = self._read_families(prompts, families)
        else:
            logits = self._read(prompts, cache)
        self._draw(group, logits, self._settings(group), started)
        return cache

    def _read(self, prompts: Sequence[Sequence[int]], cache: Cache) -> Tensor:
        """Logits after each prompt; `cache` is filled."""
        mask = slot_cache.padding_mask(list(map(len, prompts)), self._device)
        position = (mask.cumsum(-1) - 1).clamp(min=0)
        return self._forward(self._padded(prompts), mask, position, cache)

    def _read_families(
        self, prompts: Sequence[list[int]], families: Sequence[Family]
    ) -> tuple[Tensor, Cache]:
        """Logits and cache as `_read` gives them; what a family shares is read once."""
        sharing = [family for family in families if family.length]
        heads = DynamicCache()
        self._read([prompts[f.places[0]][: f.length] for f in sharing], heads)
        owner, shared = [0] * len(prompts), [0] * len(prompts)
        for number, family in enumerate(sharing):
            for place in family.places:
                owner[place], shared[place] = number, family.length
        cache = spread(heads, torch.tensor(owner, device=self._device))
        tails = [prompt[n:] for prompt, n in zip(prompts, shared, strict=True)]
        columns = max(shared)
        begun = torch.tensor(shared, device=self._device)
        tail_mask = slot_cache.padding_mask(list(map(len, tails)), self._device)
        head_mask = slot_cache.padding_mask([*shared, columns], self._device)[:-1]
        position = begun.unsqueeze(1) + (tail_mask.cumsum(-1) - 1).clamp(min=0)
        mask = torch.cat([head_mask, tail_mask], dim=1)
        logits = self._forward(self._padded(tails), mask, position, cache)
        close_gaps(cache, tail_mask.sum(1), columns, max(map(len, prompts)))
        return logits, cache

    def _padded(self, rows: Sequence[Sequence[int]]) -> Tensor:
        longest = max(map(len, rows))
        padded = [[0] * (longest - len(row)) + list(row) for row in rows]
        return torch.tensor(padded, device=self._device)

    def join(self, group: Sequence[Row], cache: Cache) -> None:
        """Let a prefilled group run with the others from the next step on."""
        slot_cache.join(self._cache, cache)
        self.rows.extend(group)
        self._sampling = None

    def step(self) -> None:
        """Give every running row one more token."""
        started = time.perf_counter()
        lengths = [len(row.prompt) + len(row.tokens) for row in self.rows]
        last = torch.tensor([row.tokens[-1:] for row in self.rows], device=self._device)
        position = torch.tensor(lengths, device=self._device).unsqueeze(-1) - 1
        mask = slot_cache.padding_mask(lengths, self._device)
        logits = self._forward(last, mask, position, self._cache)
        self._sampling = self._sampling or self._settings(self.rows)
        self._draw(self.rows, logits, self._sampling, started)

    def remove_finished(self) -> list[Row]:
        """Take out the rows that are finished; the last rows move into their slots."""
        gone = [row for row in self.rows if row.finish]
        if not gone:
            return []
        stay = len(self.rows) - len(gone)
        holes = [i for i in range(stay) if self.rows[i].finish]
        movers = [i for i in range(stay, len(self.rows)) if not self.rows[i].finish]
        moves = list(zip(holes, movers, strict=True))
        for to, origin in moves:
            self.rows[to] = self.rows[origin]
        del self.rows[stay:]
        self._sampling = None
        if not self.rows:
            self._cache = slot_cache.new_cache()
        else:
            longest = max(len(row.prompt) + len(row.tokens) - 1 for row in self.rows)
            slot_cache.leave(self._cache, moves, stay, longest)
        return gone

    def _forward(self, tokens: Tensor, mask: Tensor, position: Tensor, cache: Cache) -> Tensor:
        """Logits of the next token: [rows, vocabulary]."""
        output = self._model(
            input_ids=tokens,
            attention_mask=mask,
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[:, -1]
        return logits

    def _settings(self, rows: Sequence[Row]) -> tuple[Tensor, Tensor]:
        values = [(row.request.temperature, row.request.top_p) for row in rows]
        temperature, top_p = torch.tensor(values, device=self._device).unbind(-1)
        return temperature, top_p

    def _draw(
        self,
        rows: Sequence[Row],
        logits: Tensor,
        settings: tuple[Tensor, Tensor],
        started: float,
    ) -> None:
        """Append a token to each row, and its share of the time since `started`."""
        uniform = torch.tensor([r.uniforms[len(r.tokens)] for r in rows], device=self._device)
        tokens = draw(logits, *settings, uniform).tolist()
        share = (time.perf_counter() - started) / len(rows)
        for row, token in zip(rows, tokens, strict=True):
            row.seconds += share
            row.accept(token, self._ends, self._stops)
