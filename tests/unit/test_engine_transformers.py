"""What only the transformers engine has: broken checkpoints, memory running out, characters."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from workers.engines.base import GenerationRequest  # noqa: E402
from workers.engines.config import TransformersConfig  # noqa: E402
from workers.engines.decoding import Row, RunningBatch  # noqa: E402
from workers.engines.text_stream import TextStream  # noqa: E402
from workers.engines.transformers import TransformersEngine  # noqa: E402
from workers.errors import EngineDiedError, EngineError, EngineUnavailableError  # noqa: E402


def build(path: Path | str, **options: object) -> TransformersEngine:
    settings = {"model": str(path), "device": "cpu", "max_batch": 8, **options}
    return TransformersEngine(TransformersConfig(**settings))  # type: ignore[arg-type]


@pytest.fixture
async def engine(checkpoint: Path) -> AsyncIterator[TransformersEngine]:
    engine = build(checkpoint)
    await engine.start()
    yield engine
    await engine.aclose()


def test_streamed_text_never_breaks_a_character(tokenizer: object) -> None:
    text = "Žluťoučký kůň 🐎 — 漢字 and e\u0301, done"
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]  # type: ignore[operator]
    stream = TextStream(tokenizer, [])
    for token in tokens:
        stream.tokens.append(token)
        assert text.startswith(stream.read())
    assert stream.read() == stream.finish() == text
    cut = TextStream(tokenizer, tokens[: len(tokens) // 2])
    assert "\ufffd" not in cut.finish()


@pytest.mark.parametrize("spoil", ["config.json", "model.safetensors", "tokenizer.json"])
async def test_a_damaged_checkpoint_is_named(checkpoint: Path, tmp_path: Path, spoil: str) -> None:
    damaged = Path(shutil.copytree(checkpoint, tmp_path / "damaged"))
    (damaged / spoil).write_bytes(b"{ not what it should be")
    with pytest.raises(EngineUnavailableError, match="can't be loaded"):
        await build(damaged).start()
    (damaged / spoil).unlink()
    with pytest.raises(EngineUnavailableError, match="can't be loaded"):
        await build(damaged).start()


async def test_weights_that_lack_a_part_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    damaged = Path(shutil.copytree(checkpoint, tmp_path / "damaged"))
    weights = load_file(damaged / "model.safetensors")
    weights.pop("model.norm.weight")
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineUnavailableError, match=r"missing: model\.norm\.weight"):
        await build(damaged).start()


async def test_weights_that_are_not_finite_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    damaged = Path(shutil.copytree(checkpoint, tmp_path / "damaged"))
    weights = load_file(damaged / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineUnavailableError, match="not finite"):
        await build(damaged).start()


async def test_a_hub_name_without_a_network_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EngineUnavailableError, match="check the name and the network"):
        await build("no-one/no-model").start()


async def test_without_a_chat_template_the_prompt_goes_as_it_is(
    checkpoint: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = Path(shutil.copytree(checkpoint, tmp_path / "plain"))
    (plain / "chat_template.jinja").unlink()
    engine = build(plain)
    await engine.start()
    reply = await engine.generate(GenerationRequest("fox", 1, max_tokens=4))
    await engine.aclose()
    assert "no chat template" in caplog.text
    assert reply.prompt_tokens <= 3


async def test_a_step_that_fails_takes_its_requests_only_and_memory_halves_the_batch(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    step, failures = RunningBatch.step, [torch.OutOfMemoryError("full")]

    def fail_once(batch: RunningBatch) -> None:
        if failures:
            raise failures.pop()
        step(batch)

    monkeypatch.setattr(RunningBatch, "step", fail_once)
    with pytest.raises(EngineError, match="full"):
        await engine.generate(GenerationRequest("fox", 1, max_tokens=20))
    assert "at most 4 requests" in caplog.text
    requests = [GenerationRequest("fox", i, max_tokens=20) for i in range(9)]
    assert len(await asyncio.gather(*map(engine.generate, requests))) == 9


@pytest.mark.parametrize("part", ["step", "prefill"])
async def test_requests_that_were_too_many_for_the_memory_are_made_again(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    requests = [GenerationRequest("fox", i, max_tokens=20) for i in range(9)]
    before = await asyncio.gather(*map(engine.generate, requests))
    real = getattr(RunningBatch, part)

    def too_many(batch: RunningBatch, *group: list[Row]) -> Any:
        if len(batch.rows) + sum(map(len, group)) > 2:
            raise torch.OutOfMemoryError("full")
        return real(batch, *group)

    monkeypatch.setattr(RunningBatch, part, too_many)
    after = await asyncio.gather(*map(engine.generate, requests))
    assert [reply.text for reply in after] == [reply.text for reply in before]


async def test_a_request_that_is_too_long_alone_costs_the_others_no_slots(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefill = RunningBatch.prefill

    def too_long(batch: RunningBatch, group: list[Row]) -> Any:
        if any(row.request.seed == 3 for row in group):
            raise torch.OutOfMemoryError("full")
        return prefill(batch, group)

    monkeypatch.setattr(RunningBatch, "prefill", too_long)
    requests = [GenerationRequest("fox", seed, max_tokens=20) for seed in range(12)]
    found = await asyncio.gather(*map(engine.generate, requests), return_exceptions=True)
    assert [isinstance(reply, EngineError) for reply in found] == [n == 3 for n in range(12)]
    assert engine._worker is not None and engine._worker._slots == 8


async def test_an_on_text_that_raises_spoils_its_own_request_only(
    engine: TransformersEngine,
) -> None:
    def broken(text: str) -> bool:
        raise ZeroDivisionError

    bad, good = await asyncio.gather(
        engine.generate(GenerationRequest("fox", 1, max_tokens=30), broken),
        engine.generate(GenerationRequest("fox", 1, max_tokens=30)),
        return_exceptions=True,
    )
    assert isinstance(bad, EngineError)
    assert not isinstance(good, BaseException)


async def test_closing_fails_what_is_in_flight(engine: TransformersEngine) -> None:
    task = asyncio.create_task(engine.generate(GenerationRequest("fox", 1, max_tokens=240)))
    await asyncio.sleep(0.01)
    await engine.aclose()
    with pytest.raises(EngineError, match="closed"):
        await task


async def test_a_device_that_fails_kills_the_engine_and_every_request_is_told(
    engine: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(self: RunningBatch) -> None:
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(RunningBatch, "step", step)
    requests = [engine.generate(GenerationRequest("hi", n, max_tokens=9)) for n in range(12)]
    for ended in await asyncio.gather(*requests, return_exceptions=True):
        assert isinstance(ended, EngineDiedError)
    with pytest.raises(EngineDiedError):
        await engine.generate(GenerationRequest("hi", 0, max_tokens=9))


async def test_urgent_requests_begin_before_others_that_wait(checkpoint: Path) -> None:
    engine = build(checkpoint, max_batch=1)
    await engine.start()
    ended: list[str] = []

    async def ask(name: str, *, urgent: bool = False) -> None:
        await engine.generate(GenerationRequest("fox", 1, max_tokens=3, urgent=urgent))
        ended.append(name)

    running = asyncio.create_task(
        engine.generate(GenerationRequest("fox", 1, max_tokens=200, temperature=1.0))
    )
    await asyncio.sleep(0)
    await asyncio.gather(ask("first"), ask("second"), ask("urgent", urgent=True), running)
    await engine.aclose()
    assert ended == ["urgent", "first", "second"]


def test_a_text_is_shown_every_few_tokens_and_where_a_sentence_begins() -> None:
    class Letters:
        def decode(self, tokens: list[int], **options: object) -> str:
            return "".join(map(chr, tokens))

    shown: list[str] = []

    def on_text(text: str) -> bool:
        shown.append(text)
        return True

    stream = TextStream(Letters(), [])
    row = Row(GenerationRequest("p", 0), [], 99, stream, on_text, Future())
    for letter in "abcdefghi.jkl":
        row.accept(ord(letter), ends=frozenset(), stops=frozenset([ord(".")]))
    assert shown == ["abcd", "abcdefgh", "abcdefghi.j", "abcdefghi.jk"]
