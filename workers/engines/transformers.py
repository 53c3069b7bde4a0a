"""Engine `transformers`: any causal language model that Transformers loads, on CPU, CUDA or MPS.

One thread owns the model. Requests wait in a queue; between two steps those for which there is
room join the batch that runs, and those that are finished leave it.
"""

import asyncio
import contextlib
import logging
import queue
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import torch

from workers.engines.base import Generation, GenerationRequest, OnText
from workers.engines.config import UNSTRUCTURED, TransformersConfig
from workers.engines.decoding import Row, RunningBatch
from workers.engines.loading import Checkpoint, load
from workers.engines.text_stream import TextStream
from workers.errors import (
    EngineDiedError,
    EngineError,
    EngineUnavailableError,
    PromptTooLongError,
)

log = logging.getLogger(__name__)

LEAST_ROOM = 16
"""A prompt that leaves fewer tokens than this for the reply is too long."""
PREFILL_TOKENS = 16384
"""The most tokens, padding included, that join in one step."""
JOIN_EVERY = 4
"""Steps between two groups that join a running batch: prompts read together cost less."""
_DEVICE_FAILED = getattr(torch, "AcceleratorError", ())
"""What PyTorch raises, since 2.8, for an error after which CUDA takes no more calls."""


@dataclass(frozen=True, eq=False)
class _Job:
    request: GenerationRequest
    on_text: OnText | None
    future: Future[Generation]


class TransformersEngine:
    """See workers.engines.base.Engine. Texts depend on their own seed, not on their neighbours."""

    def __init__(self, config: TransformersConfig) -> None:
        self.model = config.model
        self.concurrency = config.max_batch
        self._config = config
        self._inbox: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._worker: _Worker | None = None
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Load the model in a thread. Raises EngineUnavailableError."""
        if self._thread is not None:
            return
        if self._config.threads is not None:
            torch.set_num_threads(self._config.threads)
        checkpoint = await asyncio.to_thread(load, self._config)
        self._inbox = queue.SimpleQueue()
        self._worker = worker = _Worker(checkpoint, self.concurrency, self._inbox)
        self._thread = threading.Thread(target=worker.run, name="winnow-engine", daemon=True)
        self._thread.start()

    async def generate(
        self, request: GenerationRequest, on_text: OnText | None = None
    ) -> Generation:
        """One reply; `on_text` is called in the engine's thread, every few tokens."""
        if self._thread is None:
            raise EngineUnavailableError("the engine is not running: call start() first")
        if not self._thread.is_alive():
            raise EngineDiedError("the engine's thread has died: see the log")
        if request.json_schema is not None:
            raise EngineError(UNSTRUCTURED)
        future: Future[Generation] = Future()
        self._inbox.put(_Job(request, on_text, future))
        if self._worker and self._worker.end:  # it may have looked into the inbox before that
            self._worker.fail_left()
        return await asyncio.wrap_future(future)

    async def aclose(self) -> None:
        """End the thread; requests still in flight fail with EngineError."""
        thread, self._thread, self._worker = self._thread, None, None
        if thread is not None:
            self._inbox.put(None)
            while thread.is_alive():  # a thread of asyncio's that waits for it could hang, too
                await asyncio.sleep(0.01)


class _Worker:
    """What the engine's thread runs: admit, step, deliver."""

    def __init__(
        self, checkpoint: Checkpoint, slots: int, inbox: queue.SimpleQueue[_Job | None]
    ) -> None:
        self._checkpoint = checkpoint
        self._slots = slots
        self._inbox = inbox
        self.end: EngineError | None = None
        self._urgent: deque[Row] = deque()
        self._waiting: deque[Row] = deque()
        self._batch = self._new_batch()

    @torch.inference_mode()
    def run(self) -> None:
        """Serve until None comes through the inbox. Whatever ends it, every request is told."""
        try:
            self._serve()
            self.end = EngineError("the engine was closed")
        except Exception as exc:
            log.exception("the engine's thread died")
            self.end = EngineDiedError(f"the engine's thread has died: {exc!r}")
        for row in (*self._batch.rows, *self._urgent, *self._waiting):
            _fail(row.future, type(self.end)(str(self.end)))
        self.fail_left()

    def fail_left(self) -> None:
        """Tell how it ended to those whose requests nobody will look at. Any thread may."""
        assert self.end is not None, "the thread serves"
        with contextlib.suppress(queue.Empty):
            while True:
                if job := self._inbox.get_nowait():
                    _fail(job.future, type(self.end)(str(self.end)))

    def _serve(self) -> None:
        steps = 0
        while self._collect():
            due = not self._batch.rows or steps >= JOIN_EVERY
            if due and (group := self._next_group()):
                steps = 0
                self._admit(group)
            steps += 1
            if self._batch.rows:
                self._step()

    def _collect(self) -> bool:
        """Take what came in, waiting for it only when there is nothing else to do."""
        idle = not (self._batch.rows or self._urgent or self._waiting)
        while idle or not self._inbox.empty():
            job = self._inbox.get()
            if job is None:
                return False
            try:
                line = self._urgent if job.request.urgent else self._waiting
                line.append(self._encode(job))
            except EngineError as exc:
                _fail(job.future, exc)
            except Exception as exc:  # noqa: BLE001 - a chat template may raise anything
                _fail(job.future, EngineError(f"the prompt can't be encoded: {exc!r}"), exc)
            idle = False
        return True

    def _encode(self, job: _Job) -> Row:
        """Render the chat template and count. Raises PromptTooLongError."""
        request, tokenizer = job.request, self._checkpoint.tokenizer
        prompt, special = request.prompt, True
        if tokenizer.chat_template is not None:
            turns = [{"role": "user", "content": prompt}]
            prompt = tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True
            )
            special = False
        tokens = tokenizer(prompt, add_special_tokens=special, verbose=False)["input_ids"]
        room = self._checkpoint.context - len(tokens)
        if room < min(LEAST_ROOM, request.max_tokens):
            raise PromptTooLongError(
                f"the prompt has {len(tokens)} tokens and the model's context holds "
                f"{self._checkpoint.context}, prompt and reply together: shorten the source"
            )
        stream = TextStream(tokenizer, [])
        limit = min(room, request.max_tokens)
        return Row(request, tokens, limit, stream, job.on_text, job.future)

    def _next_group(self) -> list[Row]:
        """The requests that join now: as many as there are free slots, and not too many tokens."""
        group: list[Row] = []
        longest = 0
        while len(group) + len(self._batch.rows) < self._slots:
            line = self._urgent or self._waiting
            if not line:
                break
            longest = max(longest, len(line[0].prompt))
            if group and longest * (len(group) + 1) > PREFILL_TOKENS:
                break
            row = line.popleft()
            if not row.future.cancelled():
                group.append(row)
        return group

    def _admit(self, group: list[Row]) -> None:
        try:
            cache = self._batch.prefill(group)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the others are served on
            self._give_up(group, exc)
            return
        try:
            self._batch.join(group, cache)
            self._deliver()
        except Exception as exc:  # noqa: BLE001
            self._restart([*group, *self._batch.rows], exc)

    def _step(self) -> None:
        try:
            self._batch.step()
            self._deliver()
        except Exception as exc:  # noqa: BLE001 - whatever it is, the others are served on
            self._restart(self._batch.rows, exc)

    def _deliver(self) -> None:
        for row in self._batch.rows:
            if row.future.cancelled():
                row.finish = "aborted"
        for row in self._batch.rows:
            if row.finish:
                _hand_over(row)
        self._batch.remove_finished()

    def _restart(self, rows: Sequence[Row], exc: Exception) -> None:
        """Fail `rows` and begin again with an empty batch."""
        self._give_up(rows, exc)
        self._batch = self._new_batch()

    def _new_batch(self) -> RunningBatch:
        made = self._checkpoint
        return RunningBatch(made.model, made.ends, made.stops)

    def _give_up(self, rows: Sequence[Row], exc: Exception) -> None:
        """Fail `rows`; those that were too many for the memory are made again, fewer at once.

        A device that has failed answers this process no more; that is raised.
        """
        if isinstance(exc, torch.OutOfMemoryError):
            before, self._slots = self._slots, max(1, self._slots // 2)
            log.warning("out of memory: from now on at most %d requests at once", self._slots)
            if len(rows) > 1 or any(row not in rows for row in self._batch.rows):
                self._put_back(rows, before)
                return
            self._slots = max(row.slots or self._slots for row in rows)
        dead = isinstance(exc, _DEVICE_FAILED)
        kind = EngineDiedError if dead else EngineError
        for row in rows:
            _fail(row.future, kind(f"the model failed: {exc!r}"), exc)
        if dead:
            raise exc

    def _put_back(self, rows: Sequence[Row], slots: int) -> None:
        """Have these begin again, first of all; with their seeds they come out the same.

        They remember the slots there were: one that fails alone was too long, not one too many.
        """
        for row in reversed({id(row): row for row in rows}.values()):
            if row.future.done():
                continue
            line = self._urgent if row.request.urgent else self._waiting
            stream = TextStream(self._checkpoint.tokenizer, [])
            known = row.slots or slots
            line.appendleft(replace(row, stream=stream, finish=None, error=None, slots=known))


def _hand_over(row: Row) -> None:
    if row.error is not None:
        _fail(row.future, EngineError(f"on_text raised {row.error!r}"), row.error)
        return
    try:
        generation = row.generation()
    except Exception as exc:  # noqa: BLE001 - a tokenizer may raise anything
        _fail(row.future, EngineError(f"the reply can't be decoded: {exc!r}"), exc)
        return
    if row.future.set_running_or_notify_cancel():
        row.future.set_result(generation)


def _fail(future: Future[Generation], error: Exception, cause: Exception | None = None) -> None:
    error.__cause__ = cause
    if not future.done() and future.set_running_or_notify_cancel():
        future.set_exception(error)
