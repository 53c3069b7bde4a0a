"""Draws the next token of every row of a batch; each row depends on its own numbers alone."""

import torch
from torch import Tensor

HEAD = 256
"""How many of the likeliest tokens are looked at before a row's whole vocabulary is sorted."""


def uniforms(seed: int, count: int) -> list[float]:
    """The `count` uniform numbers in [0, 1) that a request's seed stands for."""
    generator = torch.Generator().manual_seed(seed % 2**63)
    return torch.rand(count, generator=generator).tolist()


def draw(logits: Tensor, temperature: Tensor, top_p: Tensor, uniform: Tensor) -> Tensor:
    """One token per row, shape [rows], from logits [rows, vocabulary]; the rest is [rows].

    Nucleus sampling (Holtzman et al. 2020, section 3.1) by the inverse of the distribution
    function over the tokens in falling order of probability. Temperature 0 takes the likeliest.
    """
    greedy = temperature == 0
    scaled = logits.float() / torch.where(greedy, 1.0, temperature).unsqueeze(-1)
    probability = scaled.softmax(-1)
    token, decided = _invert(probability, HEAD, top_p, uniform)
    decided |= greedy
    if not bool(decided.all()):
        rest = ~decided
        token[rest], _ = _invert(
            probability[rest], probability.shape[-1], top_p[rest], uniform[rest]
        )
    return torch.where(greedy, logits.argmax(-1), token)


def _invert(
    probability: Tensor, head: int, top_p: Tensor, uniform: Tensor
) -> tuple[Tensor, Tensor]:
    """Tokens drawn from the `head` likeliest, and whether those hold all of the nucleus."""
    head = min(head, probability.shape[-1])
    top, index = probability.topk(head, dim=-1)
    reached = top.cumsum(-1)
    kept = (reached - top < top_p.unsqueeze(-1)).sum(-1, keepdim=True).clamp(min=1)
    mass = reached.gather(-1, kept - 1)
    place = (reached <= uniform.unsqueeze(-1) * mass).sum(-1, keepdim=True)
    token = index.gather(-1, torch.minimum(place, kept - 1)).squeeze(-1)
    whole = torch.full_like(top_p, head == probability.shape[-1], dtype=torch.bool)
    return token, whole | (reached[:, -1] >= top_p)
