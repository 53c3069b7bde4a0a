"""What is shown while a batch runs."""

import io
from typing import Any

from rich.console import Console

from service.progress import BatchProgress, Clock, clock_time


def batch(accepted: int, rejected: int, tokens: int, failed: int = 0) -> dict[str, Any]:
    return {
        "id": "batch_1",
        "recipe": "essay",
        "count": 20,
        "request_counts": {"accepted": accepted, "rejected": rejected, "failed": failed},
        "rejected_by": {"form": 1, "consistency": rejected - 1} if rejected else {},
        "pass_rate": accepted / (accepted + rejected) if accepted else None,
        "cost": {"completion_tokens": tokens},
    }


def test_the_status_tells_rejections_by_reason_pass_rate_speed_and_time_left() -> None:
    clock = Clock(batch(0, 0, 0), now=100.0)
    assert clock.status(batch(10, 5, 2000, failed=1), now=110.0) == (
        "5 rejected (consistency 4, form 1) · 1 failed · 67% pass · 200 tokens/s · 0:10 left"
    )


def test_a_resumed_batch_is_timed_from_where_it_stood() -> None:
    clock = Clock(batch(10, 0, 5000), now=0.0)
    assert clock.status(batch(15, 0, 6000), now=10.0).endswith("100 tokens/s · 0:10 left")


def test_times_are_written_as_on_a_clock() -> None:
    assert [clock_time(42.4), clock_time(725), clock_time(10_800)] == ["0:42", "12:05", "3:00:00"]


def test_a_terminal_gets_a_bar_with_the_count() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with BatchProgress(console) as bar:
        bar.update(batch(3, 0, 10))
        bar.print("a sample")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "3/20" in shown and "100% pass" in shown and "a sample" in shown
