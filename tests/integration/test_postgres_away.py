"""A PostgreSQL server that crashes in mid-batch and comes back costs the batch nothing but time."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
from postgres_server import PostgresServer

from graders.gate import Gate
from graders.types import Candidate, Failure, Grade, Source, Verdict
from workers.pipeline import run_batch
from workers.store import SqlStore
from workers.types import BatchSpec, Draw, Produced, Status

pytestmark = pytest.mark.postgres

COUNT = 150
AWAY_SECONDS = 4.0
SPEC = BatchSpec("essay", COUNT, (Source("a", "x"), Source("b", "y")), "slow")


class SlowProducer:
    """Ten candidates in 50 ms, of which every fifth is rejected."""

    concurrency = 10

    async def start(self) -> None:
        """Nothing to start."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def produce(self, draw: Draw) -> Produced:
        await asyncio.sleep(0.05)
        text = f"sample {draw.seq} {draw.seed}"
        candidate = Candidate("b", draw.seq, "essay", text, text, draw.source, prompt_tokens=3)
        passed = draw.seq % 5 > 0
        verdict = Verdict(passed, () if passed else (Failure("form", "bad"),))
        return Produced(draw, candidate, (Grade("form", "1", float(passed)),), verdict)


@pytest.fixture
def store(postgres: PostgresServer) -> Iterator[SqlStore]:
    with contextlib.closing(SqlStore(postgres.new_database())) as opened:
        yield opened


async def test_a_batch_outlasts_a_crash_of_its_database(
    postgres: PostgresServer, store: SqlStore
) -> None:
    batch_id = store.create_batch(SPEC)[0].id
    running = asyncio.create_task(
        run_batch(
            batch_id, SPEC, SlowProducer(), store,
            gate=Gate({}, ("form", "novelty")), novelty_text=lambda candidate: candidate.text,
        )
    )  # fmt: skip
    while len(await asyncio.to_thread(store.outcomes, batch_id)) < 20:
        await asyncio.sleep(0.01)
    await asyncio.to_thread(postgres.stop, "immediate")
    try:
        await asyncio.sleep(AWAY_SECONDS)
        assert not running.done()
    finally:
        await asyncio.to_thread(postgres.start)
    result = await running
    assert (result.status, result.progress.accepted) == (Status.COMPLETED, COUNT)
    rows = store.samples(batch_id) + store.rejects(batch_id)
    assert sorted(row.seq for row in rows) == list(range(len(rows)))
    progress = store.progress(batch_id)
    assert progress.accepted + progress.rejected + progress.failed == len(rows)
    assert progress.prompt_tokens == 3 * len([row for row in rows if row.candidate])


async def test_a_server_that_is_not_up_yet_is_waited_for_at_the_start(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()
    await asyncio.to_thread(postgres.stop, "fast")
    opening = asyncio.create_task(asyncio.to_thread(SqlStore, url))
    try:
        await asyncio.sleep(1.0)
    finally:
        await asyncio.to_thread(postgres.start)
    with contextlib.closing(await opening) as store:
        assert store.list_batches() == []
