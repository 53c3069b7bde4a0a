"""Runs one stored batch with a slow producer, in a process of its own that tests may kill.

Arguments: the database's URL and the id of the batch. Prints how the batch ended.
"""

import asyncio
import random
import sys

from graders.gate import Gate
from graders.types import Candidate, Failure, Grade, Verdict
from workers.pipeline import run_batch
from workers.store import SqlStore
from workers.types import Draw, Produced

LEASE_SECONDS = 0.5
GATE = Gate({}, ("form", "novelty"))


class SlowProducer:
    """Takes up to 40 ms per draw, and refuses every third."""

    concurrency = 4

    async def start(self) -> None:
        """Nothing to start."""

    async def aclose(self) -> None:
        """Nothing to close."""

    async def produce(self, draw: Draw) -> Produced:
        await asyncio.sleep(random.Random(draw.seed).random() * 0.04)
        text = f"sample {draw.seq} with seed {draw.seed}"
        candidate = Candidate("b", draw.seq, "essay", text, text, draw.source, seed=draw.seed)
        bad = draw.seq % 3 == 2
        verdict = Verdict(not bad, (Failure("form", "third"),) if bad else ())
        return Produced(draw, candidate, (Grade("form", "1", float(not bad)),), verdict)


async def main(url: str, batch_id: str) -> None:
    store = SqlStore(url)
    result = await run_batch(
        batch_id,
        store.get_batch(batch_id).spec,
        SlowProducer(),
        store,
        gate=GATE,
        novelty_text=lambda candidate: candidate.text,
        lease_seconds=LEASE_SECONDS,
    )
    store.close()
    print(result.status, result.stop_reason)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
