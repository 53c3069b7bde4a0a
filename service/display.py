"""Draws samples, rejects with their evidence, and ledgers, from the rows that the gateway sends.

Offending words are coloured where the terminal has colours, and stand in >>>marks<<< where not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from workers.costs import amount, in_words

Json = Mapping[str, Any]

OFFENDING = "bold white on red"
MOST_REASONS = 3


def stderr_console() -> Console:
    """Where progress and accounts go; stdout is left to the data."""
    return Console(stderr=True, highlight=False)


def against(reject: Json) -> list[Json]:
    """The evidence that counts against a text: that of the graders it failed."""
    return [
        {**item, "grader": grade["grader"]}
        for grade in reject["grades"]
        if grade["passed"] is False
        for item in grade["evidence"]
        if not item["supports"]
    ]


def mark(text: str, spans: Iterable[tuple[int, int]], *, colour: bool) -> Text:
    """The text with these spans (character offsets) set off; overlapping ones are joined."""
    joined: list[list[int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    marked, at = Text(), 0
    for start, end in joined:
        marked.append(text[at:start])
        words = text[start:end]
        marked.append(words if colour else f">>>{words}<<<", style=OFFENDING)
        at = end
    return marked.append(text[at:])


def render_reject(reject: Json, *, colour: bool) -> RenderableType:
    """One refused text, its offending words set off, and below it who refused it and why."""
    evidence = against(reject)
    spans = [(e["start"], e["end"]) for e in evidence if e["start"] is not None]
    parts: list[RenderableType] = [mark(reject["text"] or "(no text)", spans, colour=colour), ""]
    for item in evidence[:MOST_REASONS]:
        parts.append(_reason(item["grader"], item["reason"], item["quote"]))
        if item["against"]:
            parts.append(Text(f"    held against: {_short(item['against'], 300)}", style="dim"))
    explained = {item["grader"] for item in evidence}
    for failure in reject["reasons"]:
        if failure["grader"] not in explained:
            parts.append(_reason(failure["grader"], failure["reason"], ""))
    if reject["error"]:
        parts.append(Text(f"  failed: {reject['error']}"))
    title = f"rejected · {reject['source_id']} · candidate {reject['seq']}"
    return Panel(Group(*parts), title=title, title_align="left", border_style="red")


def render_sample(sample: Json) -> RenderableType:
    """One accepted text, whole."""
    title = f"accepted · {sample['source_id']} · candidate {sample['seq']}"
    return Panel(Text(sample["text"]), title=title, title_align="left", border_style="green")


def sample_line(sample: Json, width: int) -> Text:
    """One accepted text on one line of `width` columns."""
    line = Text.assemble(("✓ ", "green"), (f"{sample['recipe']} ", "bold"))
    line.append(" ".join(sample["text"].split()))
    line.truncate(width, overflow="ellipsis")
    return line


def candidates(batch: Json) -> int:
    """Every candidate drawn: accepted, rejected and failed."""
    counts = batch["request_counts"]
    return int(counts["accepted"] + counts["rejected"] + counts["failed"])


def tokens(batch: Json) -> int:
    """Prompt and completion tokens spent so far."""
    return int(batch["cost"]["prompt_tokens"] + batch["cost"]["completion_tokens"])


def speed(batch: Json) -> float:
    """Completion tokens per second of the batch's own time."""
    seconds = batch["cost"]["elapsed_seconds"]
    return float(batch["cost"]["completion_tokens"] / seconds) if seconds else 0.0


def reasons(batch: Json) -> str:
    """`answers 4, form 1`: rejections by grader, the most frequent first."""
    found = sorted(batch["rejected_by"].items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{grader} {count}" for grader, count in found)


def percent(share: float | None) -> str:
    """`83%`, or a dash where there is nothing to divide by."""
    return "-" if share is None else f"{share:.0%}"


def ledger_table(batches: Sequence[Json]) -> Table:
    """Every candidate of these batches, accounted for."""
    by = "; ".join(f"{batch['recipe']}: {reasons(batch) or 'none'}" for batch in batches)
    table = Table(
        title="The ledger: candidates = accepted + rejected + failed",
        caption=f"rejected by {by}",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("recipe", no_wrap=True)
    for name in ("candidates", "accepted", "rejected", "failed", "pass", "tokens", "tokens/s"):
        table.add_column(name, justify="right", no_wrap=True)
    for batch in batches:
        counts = batch["request_counts"]
        table.add_row(
            batch["recipe"],
            str(candidates(batch)),
            f"{counts['accepted']}/{batch['count']}",
            *(str(counts[name]) for name in ("rejected", "failed")),
            percent(batch["pass_rate"]),
            f"{tokens(batch):,}",
            f"{speed(batch):,.0f}",
        )
    return table


def cost_table(rows: Sequence[Json]) -> Table:
    """What batches have cost, a row for each tenant and currency, as GET /v1/costs gives them."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("tenant", no_wrap=True)
    for name in (
        *("batches", "accepted", "candidates", "tokens written", "in rejected", "saved, about"),
        *("engine s", "grader s", "accepted per engine-hour", "money", "a sample"),
    ):
        table.add_column(name, justify="right")
    for row in rows:
        rate, each = row["accepted_per_engine_hour"], row["per_accepted"]["money"]
        table.add_row(
            row["tenant"] or "–",
            *(f"{row[name]:,}" for name in ("batches", "accepted", "candidates")),
            f"{row['completion_tokens']:,}",
            f"{row['rejected_tokens']:,}",
            _figure(row["saved_tokens"]),
            *(f"{row[name]:,.1f}" for name in ("engine_seconds", "grader_seconds")),
            _figure(rate and round(rate)),
            "" if row["money"] is None else f"{amount(row['money'])} {row['currency']}".strip(),
            "" if each is None else amount(each),
        )
    return table


def _figure(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def account(batch: Json) -> str:
    """The closing account of one batch, a few lines of plain text."""
    counts = batch["request_counts"]
    by = f" (by grader: {reasons(batch)})" if batch["rejected_by"] else ""
    certificate = f"\n{certificate_text(batch['certificate'])}" if batch["certificate"] else ""
    return (
        f"{candidates(batch)} candidates = {counts['accepted']} accepted + "
        f"{counts['rejected']} rejected{by} + {counts['failed']} failed\n"
        f"pass rate {percent(batch['pass_rate'])} · {tokens(batch):,} tokens · "
        f"{speed(batch):,.0f} tokens/s · {batch['cost']['elapsed_seconds']:.1f} s"
        f"\ncost: {in_words(batch['cost'])}"
    ) + certificate


def certificate_text(certificate: Any) -> str:
    """The bound, what it costs in yield and what it rests on: a line each, of either shape."""
    found = certificate if isinstance(certificate, Mapping) else asdict(certificate)
    return (
        f"certificate: at {found['confidence']:.1%} confidence at most {found['bound']:.1%} of "
        f"what passes is wrong ({found['grader']} >= {found['threshold']:.4g}; calibrated on "
        f"{found['sources']} sources of {found['calibration_set']})\n"
        f"yield: {found['coverage']:.0%} of texts are expected to pass that threshold\n"
        f"assumption: {found['assumption']}"
    )


def _reason(grader: str, reason: str, quote: str) -> Text:
    line = Text.assemble("  ", (grader, "bold red"), f": {_short(reason, 300)}")
    return line.append(f' — "{_short(quote, 120)}"') if quote else line


def _short(text: str, most: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"
