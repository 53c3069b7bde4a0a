"""One timed run of a peer against an endpoint of its own, and whether it did all the work."""

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import orjson

from benchmarks.peer_endpoint import source_of
from benchmarks.peer_setups import Peer, Place, clear, surroundings

LIMIT_SECONDS = 300.0
SAMPLE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Run:
    """What one run cost. `failure` says why it does not count, and is empty when it does.

    `wall_s` is from the start of the process to its end, `start_s` to its first request for a
    text; `cpu_s` is of all its processes, and `peak_mb` their memory (shared pages once).
    `most_in_flight` is what the endpoint saw, `extra` its requests beyond one text and one
    verdict for each record. `load` is the machine's load average before the run.
    """

    peer: str
    wall_s: float
    cpu_s: float
    peak_mb: float
    start_s: float
    most_in_flight: int
    extra: int
    load: float
    failure: str = ""


def write_sources(path: Path, records: int) -> None:
    """The records as JSON lines."""
    rows = ({"id": f"r{n}", "text": source_of(n)} for n in range(records))
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def run(peer: Peer, envs: Path, scratch: Path, records: int, latency_s: float) -> Run:
    """Start the endpoint, then the peer; time the peer alone."""
    folder, sources = scratch / "run", scratch / "sources.jsonl"
    clear(folder)
    load = os.getloadavg()[0]
    with _endpoint(peer, latency_s) as url:
        place = Place(url, sources, folder, records)
        command = peer.command(peer.environment(envs), place)
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            began = time.monotonic()
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=surroundings(envs, folder),
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            status, wall, usage, sampled = _waited(process, began)
        counts = orjson.loads(urlopen(f"{url}/counts").read())
    failure = _failure(status, folder) or shortfall(counts, passed_of(folder), records)
    asked = counts["generated"] + counts["judged"] + counts["repeated"] + counts["other"]
    return Run(
        peer.name,
        wall,
        usage.ru_utime + usage.ru_stime,
        sampled,
        (counts["first_at"] or began) - began,
        counts["most_in_flight"],
        asked - 2 * records,
        load,
        failure,
    )


def passed_of(folder: Path) -> int | None:
    """What the peer says has passed, in the last line of JSON that it printed."""
    for line in reversed((folder / "stdout").read_bytes().splitlines()):
        with suppress(orjson.JSONDecodeError):
            said = orjson.loads(line)
            if isinstance(said, dict) and {"passed", "counts"} & said.keys():
                return int(said.get("passed", said.get("counts", {}).get("accepted")))
    return None


def shortfall(counts: dict[str, Any], passed: int | None, records: int) -> str:
    """Why this was not the work that was asked for; empty when it was."""
    wanted = {"generated": records, "judged": records}
    wrong = [f"{counts[name]} {name}" for name, count in wanted.items() if counts[name] != count]
    if passed != records // 2:
        wrong.append(f"{passed} passed")
    return ", ".join(wrong)


def median_and_range(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def _failure(status: int, folder: Path) -> str:
    if status == 0:
        return ""
    told = (folder / "stderr").read_text(errors="replace").strip().splitlines()
    return f"exit status {status}: {told[-1] if told else 'nothing said'}"


@contextmanager
def _endpoint(peer: Peer, latency_s: float) -> Iterator[str]:
    """A server process of its own, so that its work is not counted as the peer's."""
    words = ["--latency", str(latency_s), "--holds", peer.holds, "--fails", peer.fails]
    command = [sys.executable, "-m", "benchmarks.peer_endpoint", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def _waited(process: subprocess.Popen[bytes], began: float) -> tuple[int, float, Any, float]:
    """Exit status, wall seconds, what the kernel counted for the whole tree, sampled peak in MB."""
    over, peaks = threading.Event(), [0.0]

    def look() -> None:
        while not over.wait(SAMPLE_SECONDS):
            peaks.append(_memory_mb(process.pid))
            if time.monotonic() - began > LIMIT_SECONDS:
                os.killpg(process.pid, signal.SIGKILL)
                return

    watch = threading.Thread(target=look)
    watch.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
    finally:
        over.set()
        watch.join()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # whoever outlived it
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, wall, usage, max(peaks)


def _memory_mb(root: int) -> float:
    """Proportional set sizes of a process and all below it, or the largest peak of one of them.

    What is gone meanwhile counts 0. The kernel's own maximum would hold the memory of whoever
    started the process too.
    """
    total, highest, open_ = 0.0, 0.0, [root]
    while open_:
        pid = open_.pop()
        with suppress(OSError, ValueError):
            total += _megabytes(f"/proc/{pid}/smaps_rollup", "Pss:")
            highest = max(highest, _megabytes(f"/proc/{pid}/status", "VmHWM:"))
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                open_ += map(int, children.read_text().split())
    return max(total, highest)


def _megabytes(path: str, name: str) -> float:
    lines = (line.split() for line in Path(path).read_text().splitlines())
    return sum(int(words[1]) / 1024 for words in lines if words and words[0] == name)
