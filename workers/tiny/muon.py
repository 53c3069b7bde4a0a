"""Muon in the precision that the machine is fast at, matrices of one shape all at once.

torch.optim.Muon always goes through bfloat16, which a CPU without such instructions emulates at a
twentieth of the speed.
"""

from collections.abc import Callable, Iterable
from typing import overload

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic Newton-Schulz iteration (Jordan et al. 2024, "Muon", section "Design")."""
ITERATIONS = 5
RMS_OF_ADAMW = 0.2
"""Scales the update to the root mean square of AdamW's (Liu et al. 2025, section 2.2)."""


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised, for matrices only. `weight_decay` is decoupled."""

    def __init__(
        self,
        matrices: Iterable[Tensor],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step. Raises ValueError for a closure: gradients must be there."""
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    by_shape.setdefault(matrix.shape, []).append(matrix)
            for shape, matrices in by_shape.items():
                updates = torch.stack([self._momentum(m, group["momentum"]) for m in matrices])
                rate = group["lr"] * RMS_OF_ADAMW * max(shape) ** 0.5
                for matrix, update in zip(
                    matrices, orthogonalised(updates.to(self.dtype)), strict=True
                ):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    matrix.add_(update.to(matrix.dtype), alpha=-rate)
        return None

    def _momentum(self, matrix: Tensor, decay: float) -> Tensor:
        """Nesterov momentum of a matrix's gradient."""
        gradient = matrix.grad
        assert gradient is not None
        state = self.state[matrix]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(matrix)
        state["momentum"].lerp_(gradient, 1 - decay)
        return gradient.lerp(state["momentum"], decay)


def orthogonalised(matrices: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly; shape [count, rows, columns]."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x: Tensor = matrices.mT if tall else matrices
    x = x / x.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
