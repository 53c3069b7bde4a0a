"""Scores rows with the network as it is, and says how well it tells good claims from bad ones."""

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from graders.entailment.encoding import pad
from graders.metrics.discrimination import auroc_if_any
from workers.entailment.network import CrossEncoder
from workers.entailment.schedule import Row


def forward(model: CrossEncoder, batch: Sequence[Row]) -> tuple[Tensor, Tensor]:
    """Claim logits (rows,) and token logits (rows, length) of a batch, on the model's device."""
    device = next(model.parameters()).device
    padded = pad([row.encoding for row in batch])
    ids, mask, types = (
        torch.from_numpy(a).to(device) for a in (padded.ids, padded.mask, padded.types)
    )
    claim, token = model(ids, mask, types)
    return claim, token


@torch.inference_mode()
def score(model: CrossEncoder, rows: Sequence[Row], tokens: int = 8192) -> list[float]:
    """The claim logit of each row, in order."""
    model.eval()
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].encoding.ids))
    scores = [0.0] * len(rows)
    at = 0
    while at < len(order):
        size = max(1, tokens // (len(rows[order[min(at + 31, len(order) - 1)]].encoding.ids)))
        part = order[at : at + min(size, 32)]
        for i, logit in zip(part, forward(model, [rows[i] for i in part])[0].tolist(), strict=True):
            scores[i] = logit
        at += len(part)
    return scores


def measure(model: CrossEncoder, rows: Sequence[Row]) -> dict[str, float]:
    """AUROC per set, of claims and of responses judged by their worst claim."""
    found: dict[str, float] = {}
    scored = list(zip(rows, score(model, rows), strict=True))
    for name in sorted({row.dataset for row in rows}):
        own = [(row, s) for row, s in scored if row.dataset == name]
        found[f"{name} claims"] = auroc_if_any([s for _, s in own], [r.supported for r, _ in own])
        groups: dict[str, list[tuple[Row, float]]] = defaultdict(list)
        for row, s in own:
            groups[row.group].append((row, s))
        worst = [min(s for _, s in group) for group in groups.values()]
        good = [all(r.supported for r, _ in group) for group in groups.values()]
        found[f"{name} responses"] = auroc_if_any(worst, good)
    return {name: round(value, 4) for name, value in found.items() if value == value}
