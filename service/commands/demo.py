"""`winnow demo`: the main job on the model that ships, watched from the outside over HTTP."""

import asyncio
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.endings import FAILED, stop, told_in_one_line

if TYPE_CHECKING:
    from rich.console import Console

    from service.progress import BatchProgress

Json = dict[str, Any]
SOURCES = Path(__file__).parents[1] / "demo_sources"
COUNTS = {"problem_set": 20, "essay": 10, "dialogue": 5}
TITLES = {"problem_set": "problems", "essay": "essays", "dialogue": "dialogues"}
MOST_REJECTS = 3
OWN_SOURCE = (
    "Name: The Danube\nKind: river\nLength: 2850 km\nSource: the Black Forest\n"
    "Mouth: the Black Sea\nContinent: Europe\nCity on its banks: Vienna"
)


def demo(
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other texts.")] = 0,
    engine: Annotated[str, typer.Option(hidden=True)] = "transformers",
) -> None:
    """Watch a real model write and the gate throw out what is wrong; under three minutes.

    Starts a gateway with winnow-tiny, asks it over HTTP for 20 problems, 10 essays and 5
    dialogues, and leaves nothing behind.

    Example: [bold]winnow demo[/bold]
    """
    from rich.console import Console

    from service.gateway_process import GatewayStartError

    model = "winnow-tiny" if engine == "transformers" else engine
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(highlight=False)
    with told_in_one_line():
        try:
            faults = asyncio.run(_demo(console, model, engine, seed))
        except GatewayStartError as exc:
            raise stop(str(exc), FAILED) from exc
    if faults:
        raise stop("; ".join(faults), FAILED)


async def _demo(console: "Console", model: str, engine: str, seed: int) -> list[str]:
    from service.display import ledger_table
    from service.gateway_process import own_gateway
    from service.progress import BatchProgress

    began = time.monotonic()
    asked = ", ".join(f"{count} {TITLES[recipe]}" for recipe, count in COUNTS.items())
    with console.status(f"starting a gateway with {model}") as waiting:
        async with own_gateway({model: engine}) as url:
            waiting.stop()
            console.print(f"gateway at {url}; asking {model} for {asked}", soft_wrap=True)
            with BatchProgress(console) as bar:
                watchers = await _run_all(url, model, seed, bar)
            cost = await _cost(url)
    for watcher in watchers:
        watcher.show_rejects(console)
    console.print(ledger_table([watcher.last for watcher in watchers]))
    spare = sum(watcher.spare for watcher in watchers)
    console.print(f"Of the failed, {spare} were stopped when their batch had its samples.")
    console.print(f"\nWhat they cost: {cost}.", soft_wrap=True)
    console.print(f"\n{asked} in {time.monotonic() - began:.0f} s, start of the model included.")
    faults = [fault for watcher in watchers for fault in watcher.faults()]
    if not faults:
        console.print("Every one delivered, every ledger balances.")
        serve = f"{winnow_command()} serve"
        own = f"\nYour own sources: start `{serve}`, and in another terminal"
        console.print(own, soft_wrap=True, markup=False)
        console.print(f"\n{curl_line()}\n", soft_wrap=True, markup=False)
    return faults


async def _run_all(url: str, model: str, seed: int, bar: "BatchProgress") -> list["_Watcher"]:
    from service.batch_runs import run_there
    from service.sources import read_sources

    watchers = []
    async with asyncio.TaskGroup() as tasks:
        for recipe, count in COUNTS.items():
            sources = read_sources(str(SOURCES / f"{recipe}.jsonl"))
            request = {
                "recipe": recipe,
                "count": count,
                "model": model,
                "seed": seed,
                "sources": [{"id": source.id, "text": source.text} for source in sources],
            }
            watchers.append(_Watcher(recipe, count, bar))
            tasks.create_task(run_there(url, request, watchers[-1]))
    return watchers


async def _cost(url: str) -> str:
    """What all batches of this gateway have cost, in a line."""
    from service.client import GatewayClient
    from workers.costs import in_words

    async with GatewayClient(url) as client:
        [cost] = await client.costs()
    return in_words(cost)


class _Watcher:
    """Shows one batch's samples as they pass, and keeps what is needed to check its ledger."""

    wants_rejects = True

    def __init__(self, recipe: str, count: int, bar: "BatchProgress") -> None:
        self.last: Json = {}
        self._recipe, self._count, self._bar = recipe, count, bar
        self._samples: list[Json] = []
        self._rejects: list[Json] = []

    def batch(self, batch: Json) -> None:
        self.last = batch
        self._bar.update(batch)

    def sample(self, line: Json) -> None:
        """The first of a recipe in full, the others on one line each."""
        from service.display import render_sample, sample_line

        self._samples.append(line)
        first = len(self._samples) == 1
        self._bar.print(render_sample(line) if first else sample_line(line, self._bar.width))

    def reject(self, line: Json) -> None:
        self._rejects.append(line)

    @property
    def spare(self) -> int:
        """Candidates under way when the last sample was admitted."""
        return sum((line["error"] or "").startswith("cancelled") for line in self._rejects)

    def show_rejects(self, console: "Console") -> None:
        """A few refused texts, as different as there are."""
        from service.display import render_reject

        title = f"{TITLES[self._recipe]} that the gate threw out"
        refused = telling([line for line in self._rejects if line["outcome"] == "rejected"])
        console.rule(title if refused else f"no {title}")
        for line in refused:
            console.print(render_reject(line, colour=console.color_system is not None))

    def faults(self) -> list[str]:
        """What is wrong with the delivery or the ledger; nothing, normally."""
        from service.display import candidates

        faults = []
        seqs = {line["seq"] for line in self._samples}
        if not len(seqs) == len(self._samples) == self._count:
            why = self.last.get("message") or self.last.get("stop_reason")
            faults.append(f"{self._recipe}: {len(seqs)} of {self._count} delivered ({why})")
        rows = seqs | {line["seq"] for line in self._rejects}
        drawn = candidates(self.last)
        if not len(rows) == len(self._samples) + len(self._rejects) == drawn:
            faults.append(f"{self._recipe}: {drawn} candidates, but {len(rows)} rows in the ledger")
        return faults


def telling(rejects: list[Json]) -> list[Json]:
    """Up to three rejects to show: marked words first, graders and sources varied."""
    from service.display import against

    def rank(line: Json) -> tuple[int, int, int]:
        grader, source = line["reasons"][0]["grader"], line["source_id"]
        seen = sum((kept["reasons"][0]["grader"], kept["source_id"]) == (grader, source)
                   for kept in chosen)  # fmt: skip
        same = sum(kept["reasons"][0]["grader"] == grader for kept in chosen)
        marked = any(item["start"] is not None for item in against(line))
        return seen, same if marked else same + 2, len(line["text"])

    chosen: list[Json] = []
    left = list(rejects)
    while left and len(chosen) < MOST_REJECTS:
        best = min(left, key=rank)
        left.remove(best)
        chosen.append(best)
    return chosen


def winnow_command() -> str:
    """What to type for this very command: a path where `winnow` is not on PATH."""
    running = Path(sys.argv[0])
    if running.stem != "winnow":
        return shlex.join([sys.executable, "-m", "service.cli"])
    on_path = shutil.which("winnow")
    if on_path and running.is_file() and Path(on_path).samefile(running):
        return "winnow"
    return shlex.quote(sys.argv[0])


def curl_line() -> str:
    """A request for two essays about one source, to be pasted and then edited."""
    import orjson

    body = {"recipe": "essay", "count": 2, "sources": [OWN_SOURCE]}
    return (
        "curl -sN http://127.0.0.1:8000/v1/samples -H 'content-type: application/json' "
        f"-d '{orjson.dumps(body).decode()}'"
    )
