"""`winnow audit`: draws samples of a batch, takes a person's labels, bounds how many are wrong."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Protocol

import typer

from service.commands.endings import told_in_one_line

Json = dict[str, Any]
ANSWERS = {"y": True, "n": False}


class Audit(Protocol):
    """One batch's audit, here or at a gateway; every call answers with the audit object."""

    async def draw(self, count: int | None, seed: int | None) -> Json: ...

    async def label(self, labels: Mapping[int, bool], replace: bool) -> Json: ...


def audit(
    batch: Annotated[str, typer.Argument(help="The id of a batch that has ended.")],
    draw: Annotated[
        int | None,
        typer.Option(help="How many samples to draw; 100 if not given, or all there are."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the draw; of chance if not given.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(help='Labels from this file, or -: JSON lines {"seq", "correct"}.'),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let --labels change labels that are there.")
    ] = False,
    ask: Annotated[
        bool | None,
        typer.Option("--ask/--no-ask", help="Show sample by sample and ask; so on a terminal."),
    ] = None,
    confidence: Annotated[float, typer.Option(help="How sure the bound is.")] = 0.95,
    url: Annotated[str | None, typer.Option(help="The gateway that has the batch.")] = None,
    db: Annotated[str | None, typer.Option(help="Database URL, e.g. sqlite:///winnow.db.")] = None,
    config: Annotated[str | None, typer.Option(help="Configuration file.")] = None,
) -> None:
    """Draw accepted samples at random, label them, and learn how many of the batch are wrong.

    The bound is exact for this very batch and rests on nothing but your labels; it holds whenever
    you stop. On a terminal each sample is shown with its source and its grades: y for right, n for
    wrong, b for back, q to stop. On a pipe the draw comes as NDJSON, to be labelled elsewhere and
    sent back by --labels. The draw is stored: another run goes on where you stopped, and a greater
    --draw adds to it.

    Example: [bold]winnow audit batch_0123 --draw 100[/bold]
    """
    with told_in_one_line():
        from service.sources import InputError

        if not 0 < confidence < 1:
            raise InputError("--confidence must lie between 0 and 1, as 0.95")
        given = _read_labels(labels) if labels is not None else None
        asking = sys.stdin.isatty() and sys.stdout.isatty() if ask is None else ask

        async def work() -> None:
            async with _opened(batch, confidence, url, db, config) as opened:
                drawn = await opened.draw(draw, seed)
                if given is not None:
                    _tell(await opened.label(given, replace))
                elif asking:
                    _tell(await _ask_all(drawn, opened.label))
                else:
                    _print_draw(drawn)
                    _tell(drawn)

        asyncio.run(work())


@asynccontextmanager
async def _opened(
    batch_id: str, confidence: float, url: str | None, db: str | None, config: str | None
) -> AsyncIterator[Audit]:
    from service.settings import load_settings

    settings = load_settings(config, database_url=db)
    if url:
        from service.client import GatewayClient

        async with GatewayClient(url, settings.client_key) as client:
            yield _AuditThere(client, batch_id, confidence)
        return
    from service.sources import check_database
    from workers.store import SqlStore

    check_database(settings.database_url)
    store = await asyncio.to_thread(SqlStore, settings.database_url)
    try:
        yield _AuditHere(store, batch_id, confidence)
    finally:
        await asyncio.to_thread(store.close)


class _AuditHere:
    """The audit in a database of this machine."""

    def __init__(self, store: Any, batch_id: str, confidence: float) -> None:
        self._audits, self._batch_id, self._confidence = store.audits, batch_id, confidence

    async def draw(self, count: int | None, seed: int | None) -> Json:
        import orjson

        from service.audits import audit_object
        from workers.export import encode_row

        found = await asyncio.to_thread(self._audits.draw, self._batch_id, count, seed)
        seqs = [item.seq for item in found.draws]
        rows = await asyncio.to_thread(self._audits.samples, self._batch_id, seqs)
        # As it comes from a gateway: plain objects down to the evidence.
        plain: Json = orjson.loads(encode_row(audit_object(found, self._confidence, rows)))
        return plain

    async def label(self, labels: Mapping[int, bool], replace: bool) -> Json:
        from service.audits import audit_object

        found = await asyncio.to_thread(self._audits.label, self._batch_id, labels, replace=replace)
        return audit_object(found, self._confidence)


class _AuditThere:
    """The audit at a gateway."""

    def __init__(self, client: Any, batch_id: str, confidence: float) -> None:
        self._client, self._batch_id, self._confidence = client, batch_id, confidence

    async def draw(self, count: int | None, seed: int | None) -> Json:
        found: Json = await self._client.draw_audit(
            self._batch_id, count, seed, confidence=self._confidence
        )
        return found

    async def label(self, labels: Mapping[int, bool], replace: bool) -> Json:
        found: Json = await self._client.label_audit(
            self._batch_id, labels, replace=replace, confidence=self._confidence
        )
        return found


def _read_labels(name: str) -> dict[int, bool]:
    """Labels by `seq`, in any shape that `winnow calibrate` takes. Raises InputError."""
    from graders.calibration.labelled import SHAPES, right_of
    from service.sources import InputError, called, read_objects

    labels: dict[int, bool] = {}
    for number, row in read_objects(name):
        where = f"{called(name)}, line {number}"
        seq = row.get("seq") if isinstance(row, dict) else None
        right = right_of(row) if isinstance(row, dict) else None
        if not isinstance(seq, int) or isinstance(seq, bool) or seq < 0:
            raise InputError(f"{where}: has no 'seq'; say which sample, as the draw does")
        if right is None:
            raise InputError(f"{where}: has no label; write {SHAPES}")
        if labels.setdefault(seq, right) is not right:
            raise InputError(f"{where}: sample {seq} has two labels here; keep one")
    if not labels:
        raise InputError(f"{called(name)}: there are no labels in it")
    return labels


async def _ask_all(
    drawn: Json, store: Callable[[Mapping[int, bool], bool], Awaitable[Json]]
) -> Json:
    """Show the samples that have no label, in the order of the draw, storing each answer."""
    draws, last = drawn["draws"], drawn
    place = next((n for n, item in enumerate(draws) if item["correct"] is None), len(draws))
    while place < len(draws):
        _show(draws[place], f"{place + 1} of {len(draws)}")
        answer = await asyncio.to_thread(_answer)
        if answer == "q":
            break
        if answer == "b":
            place = max(0, place - 1)
            continue
        last = await store({draws[place]["seq"]: ANSWERS[answer]}, True)
        draws[place]["correct"] = ANSWERS[answer]
        place += 1
        while place < len(draws) and draws[place]["correct"] is not None:
            place += 1
    return last


def _answer() -> str:
    """One of y, n, b, q; the end of the input stops."""
    while True:
        typer.echo("right? [y/n, b back, q stop] ", nl=False, err=True)
        line = sys.stdin.readline()
        word = line.strip().lower()[:1] or ("q" if not line else "")
        if word in (*ANSWERS, "b", "q"):
            return word


def _show(sample: Json, title: str) -> None:
    from rich.panel import Panel
    from rich.text import Text

    from service.display import stderr_console

    console = stderr_console()
    if sample["source"]:
        console.print(Panel(Text(sample["source"]), title="source", title_align="left"))
    console.print(Panel(Text(sample["text"]), title=f"sample {title}", border_style="green"))
    for grade in sample["grades"]:
        score = "no score" if grade["score"] is None else f"{grade['score']:.3f}"
        console.print(Text(f"  {grade['grader']}: {score}"))
        for item in grade["evidence"][:3]:
            console.print(Text(f"    {item['reason']}: {item['quote']}"[:300], style="dim"))


def _print_draw(drawn: Json) -> None:
    from workers.export import encode_row

    for sample in drawn["draws"]:
        sys.stdout.buffer.write(encode_row(sample))
    sys.stdout.buffer.flush()


def _tell(found: Json) -> None:
    from service.audits import bound_text
    from service.display import stderr_console

    stderr_console().print(f"{found['batch_id']}: {bound_text(found)}", soft_wrap=True)
