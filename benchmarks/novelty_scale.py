"""What many admitted texts cost: time per admission, memory and disk at growing sizes."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sqlalchemy import Connection

from benchmarks.novelty_speed import GATE, SOURCE, produced_of
from benchmarks.novelty_texts import Writer
from graders.config import NoveltyConfig
from graders.novelty import fingerprints
from workers.store import SqlStore
from workers.store.connection import Database
from workers.store.novelty import NewText, NoveltyCheck, StoredIndex
from workers.types import BatchSpec

FILL = 2048
SINGLE = 100


def at_sizes(sizes: Sequence[int], seed: int, folder: Path | None = None) -> list[dict[str, Any]]:
    """Fill one database step by step; at each size open it anew and admit texts one by one."""
    writer = Writer(seed)
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory(dir=folder) as scratch:
        file = Path(scratch) / "winnow.db"
        store = SqlStore(f"sqlite:///{file}", NoveltyConfig(semantic=False))
        batch_id = store.create_batch(BatchSpec("essay", 10**6, (SOURCE,), "m"))[0].id
        store.close()
        filled = 0
        for size in sorted(sizes):
            seconds = _fill(file, batch_id, writer, size - filled)
            rows.append(
                {
                    "texts": size,
                    "filled, texts/s": (size - filled) / seconds if seconds else None,
                    **_admissions(file, batch_id, writer, len(rows) * SINGLE),
                }
            )
            filled = size + SINGLE
    return rows


def _fill(file: Path, batch_id: str, writer: Writer, count: int) -> float:
    """Put texts into the novelty tables alone; seconds spent, the writing of texts left out."""
    database, index = Database(f"sqlite:///{file}"), StoredIndex()
    seconds = 0.0
    for start in range(0, max(0, count), FILL):
        texts = writer.texts(min(FILL, count - start))
        began = time.perf_counter()
        keys = fingerprints(texts)
        new = [NewText(n, text, keys[n : n + 1]) for n, text in enumerate(texts)]

        def write(connection: Connection, new: list[NewText] = new) -> None:
            check = NoveltyCheck(connection, batch_id, new, index)
            for each in new:
                check.add(each.place, each)
            check.save()

        database.write(write)
        seconds += time.perf_counter() - began
    database.close()
    return seconds


def _admissions(file: Path, batch_id: str, writer: Writer, first: int) -> dict[str, Any]:
    """Open as a fresh process would, then admit one text at a time."""
    before = _resident()
    store = SqlStore(f"sqlite:///{file}", NoveltyConfig(semantic=False))
    texts = writer.texts(SINGLE)
    seconds = []
    for n, text in enumerate(texts):
        item = produced_of(first + n, text)
        began = time.perf_counter()
        store.admit(batch_id, [item], room=10**6, gate=GATE, novelty_text=lambda made: made.body)
        seconds.append(time.perf_counter() - began)
    index = store.novelty.index
    figures = {
        "first admission, s": seconds[0],
        "admission, median ms": float(np.median(seconds[1:])) * 1000,
        "admission, p95 ms": float(np.quantile(seconds[1:], 0.95)) * 1000,
        "index in memory, bytes/text": index.nbytes / max(1, len(index)),
        "growth of the process, MB": (_resident() - before) / 1e6,
    }
    store.close()
    size = sum(each.stat().st_size for each in file.parent.glob("winnow.db*"))
    return {**figures, "disk, bytes/text": size / max(1, len(index))}


def _resident() -> int:
    """Bytes of this process in memory, as Linux counts them."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
