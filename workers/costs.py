"""What batches cost, and what a sample does. Pure: every account that is shown is reckoned here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from typing import Any

from workers.types import Price, Progress

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one batch, or several, has spent.

    Tokens are those of the candidates in the ledger: `rejected_tokens`, the completion tokens of
    rejected texts, and `aborted_tokens`, those written of texts that were stopped early, are part
    of `completion_tokens`; `grading_tokens`, which graders had a model read and write, are not.
    `saved_tokens` is an estimate, see `saved_tokens`. `engine_seconds` are of busy engines, for
    writing and for graders' questions; the latter are `grading_engine_seconds`. `grader_seconds`
    are those that graders were at work, waiting for a model not counted. Of candidates that failed
    without a text, those cancelled in the end among them, nothing is known.

    `money` is that of `engine_seconds`, in `currency`, both None without a price. `per_accepted`
    divides by the samples; None where there are none.
    """

    batches: int = 1
    candidates: int = 0
    accepted: int = 0
    aborted: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    rejected_tokens: int = 0
    aborted_tokens: int = 0
    saved_tokens: int | None = None
    grading_tokens: int = 0
    engine_seconds: float = 0.0
    grading_engine_seconds: float = 0.0
    grader_seconds: float = 0.0
    elapsed_seconds: float = 0.0
    price_per_engine_hour: float | None = None
    currency: str | None = None
    money: float | None = None
    accepted_per_engine_hour: float | None = None
    per_accepted: Mapping[str, float | None] = field(default_factory=dict)


_SUMMED = (
    "batches candidates accepted aborted prompt_tokens completion_tokens rejected_tokens "
    "aborted_tokens grading_tokens engine_seconds grading_engine_seconds grader_seconds "
    "elapsed_seconds"
).split()
_PER_ACCEPTED = (
    "candidates prompt_tokens completion_tokens grading_tokens engine_seconds grader_seconds money"
).split()


def cost_of(progress: Progress, price: Price | None = None) -> Cost:
    """What a batch with these counters has cost, at the price that it was asked for."""
    counted = {item.name for item in fields(Progress)}
    return _divided(
        {
            **{name: getattr(progress, name) for name in _SUMMED if name in counted},
            "batches": 1,
            "candidates": progress.accepted + progress.rejected + progress.failed,
            "saved_tokens": saved_tokens(progress),
            "price_per_engine_hour": price and price.per_engine_hour,
            "currency": price and price.currency,
            "money": money(progress, price),
        }
    )


def saved_tokens(progress: Progress) -> int | None:
    """An estimate of the completion tokens that aborts saved.

    How long the stopped texts would have become is not known. They are taken to be as long as the
    mean of the batch's other texts; None, when some were stopped and there is no other text.
    """
    if not progress.aborted:
        return 0
    if not progress.unaborted:
        return None
    rest = progress.completion_tokens - progress.aborted_tokens
    expected = progress.aborted * rest / progress.unaborted
    return max(0, round(expected - progress.aborted_tokens))


def money(progress: Progress, price: Price | None) -> float | None:
    """What the engines' busy time costs; None without a price."""
    if price is None:
        return None
    return progress.engine_seconds / SECONDS_PER_HOUR * price.per_engine_hour


def totals(costs: Sequence[Cost]) -> list[Cost]:
    """The sums, one for each currency and one for batches that had no price, if there are any.

    `saved_tokens` leaves out the batches that have no estimate.
    """
    currencies = sorted({cost.currency for cost in costs}, key=lambda name: (name is None, name))
    return [_sum([cost for cost in costs if cost.currency == name]) for name in currencies]


def totals_by_tenant(
    spent: Iterable[tuple[str | None, Progress, Price | None]],
) -> list[tuple[str | None, Cost]]:
    """The totals of each tenant's batches; those of nobody in particular come last."""
    by_tenant: dict[str | None, list[Cost]] = {}
    for tenant, progress, price in spent:
        by_tenant.setdefault(tenant, []).append(cost_of(progress, price))
    names = sorted(by_tenant, key=lambda name: (name is None, name))
    return [(name, cost) for name in names for cost in totals(by_tenant[name])]


def _sum(costs: Sequence[Cost]) -> Cost:
    saved = [cost.saved_tokens for cost in costs if cost.saved_tokens is not None]
    prices = {cost.price_per_engine_hour for cost in costs}
    spent = [cost.money for cost in costs if cost.money is not None]
    return _divided(
        {
            **{name: sum(getattr(cost, name) for cost in costs) for name in _SUMMED},
            "saved_tokens": sum(saved) if saved else None,
            "price_per_engine_hour": prices.pop() if len(prices) == 1 else None,
            "currency": costs[0].currency,
            "money": sum(spent) if spent else None,
        }
    )


def _divided(spent: dict[str, Any]) -> Cost:
    accepted, hours = spent["accepted"], spent["engine_seconds"] / SECONDS_PER_HOUR
    return Cost(
        **spent,
        accepted_per_engine_hour=accepted / hours if hours else None,
        per_accepted={
            name: spent[name] / accepted if accepted and spent[name] is not None else None
            for name in _PER_ACCEPTED
        },
    )


def in_words(cost: Cost | Mapping[str, Any]) -> str:
    """One line of plain text, of a Cost or of its JSON object.

    `4,210 tokens written (2,880 in rejected texts; some 640 saved by stopping 9 early) · …`
    """
    given = asdict(cost) if isinstance(cost, Cost) else cost
    parts = [_tokens(given), f"{given['engine_seconds']:,.1f} engine-seconds"]
    if given["grading_engine_seconds"]:
        parts[-1] += f" ({given['grading_engine_seconds']:,.1f} for graders' questions)"
    parts.append(f"{given['grader_seconds']:,.1f} grader-seconds")
    if given["accepted_per_engine_hour"] is not None:
        parts.append(f"{given['accepted_per_engine_hour']:,.0f} accepted per engine-hour")
    if given["money"] is not None:
        parts.append(_money(given))
    return " · ".join(parts)


def _tokens(given: Mapping[str, Any]) -> str:
    said = f"{given['rejected_tokens']:,} in rejected texts"
    if given["aborted"]:
        saved = given["saved_tokens"]
        amount = "an unknown number" if saved is None else f"some {saved:,}"
        said += f"; {amount} saved by stopping {given['aborted']:,} early"
    return f"{given['completion_tokens']:,} tokens written ({said})"


def _money(given: Mapping[str, Any]) -> str:
    unit = f" {given['currency']}" if given["currency"] else ""
    each = given["per_accepted"]["money"]
    share = "" if each is None else f" ({amount(each)} a sample)"
    return f"{amount(given['money'])}{unit}{share}"


def amount(money: float) -> str:
    """`1,234.50`; below 1 two digits that count, `0.000015`."""
    return f"{money:,.2f}" if money >= 1 else f"{Decimal(f'{money:.2g}'):f}"
