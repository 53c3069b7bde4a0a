"""Sampling: the nucleus, greed, and independence of the rows."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from workers.engines.sampling import HEAD, draw, uniforms  # noqa: E402


def settings(rows: int, temperature: float, top_p: float) -> tuple[Any, Any]:
    return torch.full((rows,), temperature), torch.full((rows,), top_p)


def test_a_seed_stands_for_its_uniforms() -> None:
    assert uniforms(7, 5) == uniforms(7, 5) != uniforms(8, 5)
    assert uniforms(7, 9)[:5] == uniforms(7, 5)
    assert uniforms(2**64 - 1, 1) != uniforms(0, 1)


def test_temperature_zero_takes_the_likeliest() -> None:
    logits = torch.randn(4, 50)
    drawn = draw(logits, *settings(4, 0.0, 0.9), torch.full((4,), 0.99))
    assert drawn.tolist() == logits.argmax(-1).tolist()


def test_frequencies_follow_the_distribution_cut_at_top_p() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().repeat(8000, 1)
    even = (torch.arange(8000) + 0.5) / 8000
    counts = torch.bincount(draw(logits, *settings(8000, 1.0, 0.7), even), minlength=4) / 8000
    assert counts.tolist() == pytest.approx([0.625, 0.375, 0, 0], abs=0.01)


@pytest.mark.parametrize("top_p", [0.5, 0.95, 1.0])
def test_a_flat_row_reaches_beyond_the_head(top_p: float) -> None:
    logits = torch.zeros(2000, 4 * HEAD)
    even = (torch.arange(2000) + 0.5) / 2000
    seen = len(set(draw(logits, *settings(2000, 1.0, top_p), even).tolist()))
    assert seen == pytest.approx(4 * HEAD * top_p, abs=2)


def test_a_row_is_drawn_the_same_beside_others() -> None:
    torch.manual_seed(0)
    logits, uniform = torch.randn(32, 3 * HEAD) * 2, torch.rand(32)
    temperature, top_p = torch.rand(32) + 0.1, torch.rand(32)
    temperature[::5] = 0
    together = draw(logits, temperature, top_p, uniform)
    for i in range(32):
        row = slice(i, i + 1)
        alone = draw(logits[row], temperature[row], top_p[row], uniform[row])
        assert alone.item() == together[i].item()
