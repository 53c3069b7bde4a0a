"""Trains the cross-encoder from a seed: labelled claims in, a torch checkpoint and a log out.

An interrupted run resumes from its checkpoint: the rows are composed again from the seed.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional

from workers.entailment.measure import forward, measure
from workers.entailment.network import CrossEncoder, freeze_embeddings, load_base
from workers.entailment.schedule import ROUNDS, Mix, Row, batches, compose

STATE_FILE = "training_state.pt"
LOG_FILE = "training_log.json"
Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Sizes and schedule of one round; its length follows from its mix."""

    mix: Mix
    seed: int = 0
    batch_tokens: int = 2048
    lr: float = 1e-4
    head_lr: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.05
    token_weight: float = 0.5
    log_every: int = 25
    save_every: int = 100
    watch_every: int = 700


def shipped_rounds(
    seed: int = 0, scale: float = 1.0, batch_tokens: int = 2048
) -> list[TrainConfig]:
    """How the shipped model is trained, or a shorter run in the same mixes."""
    first, second = (mix.scaled(scale) for mix in ROUNDS)
    return [
        TrainConfig(first, seed, batch_tokens),
        TrainConfig(second, seed + 1, batch_tokens, lr=7e-5, head_lr=5e-4),
    ]


@dataclass(slots=True)
class _Run:
    """What changes while training goes on."""

    model: CrossEncoder
    optimizer: torch.optim.Optimizer
    step: int
    seconds: float
    log: list[dict[str, Any]]


def train_rounds(
    configs: Sequence[TrainConfig], data: Path, base: Path, out: Path, report: Report
) -> CrossEncoder:
    """Round after round, each in a folder of its own under `out`, each on the one before."""
    model = load_base(base)
    weights = None
    for number, config in enumerate(configs, start=1):
        model = train(config, data, base, out / f"round-{number}", report, weights)
        weights = {name: value.cpu() for name, value in model.state_dict().items()}
    folders = [out / f"round-{number}" for number in range(1, len(configs) + 1)]
    logs = [json.loads((folder / LOG_FILE).read_text()) for folder in folders]
    (out / LOG_FILE).write_text(json.dumps({"rounds": logs}, indent=1) + "\n")
    return model


def train(
    config: TrainConfig,
    data: Path,
    base: Path,
    out: Path,
    report: Report,
    weights: Mapping[str, Tensor] | None = None,
) -> CrossEncoder:
    """Trains on the sets under `data`, from `weights` or from the BERT checkpoint in `base`.

    Writes its state and log into `out`; `report` gets each log entry. Raises
    DataFolderError, OSError for a missing checkpoint, ValueError where another run lies.
    """
    torch.manual_seed(config.seed)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = read_tokenizer(base)
    rows, watch = compose(data, tokenizer, config.seed, config.mix)
    plan = batches(rows, config.batch_tokens, config.seed)
    run = _start(config, base, out, weights)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        run.optimizer, _linear(len(plan), config.warmup), last_epoch=run.step - 1
    )
    _learn(run, schedule, plan, watch, config, out, report)
    return run.model


def read_tokenizer(folder: Path) -> Tokenizer:
    """The folder's tokenizer, told neither to cut nor to pad."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _start(
    config: TrainConfig, base: Path, out: Path, weights: Mapping[str, Tensor] | None
) -> _Run:
    model = load_base(base).to(_device())
    if weights is not None:
        model.load_state_dict(weights)
    freeze_embeddings(model)
    heads = [*model.claim_head.parameters(), *model.token_head.parameters()]
    body = [p for p in model.encoder.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [{"params": body, "lr": config.lr}, {"params": heads, "lr": config.head_lr}],
        weight_decay=config.weight_decay,
    )
    run = _Run(model, optimizer, 0, 0.0, [])
    if (out / STATE_FILE).exists():
        state = torch.load(out / STATE_FILE, map_location=_device())
        if state["config"] != asdict(config):
            raise ValueError(f"{out} holds a run with other settings: give another folder")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        run = _Run(model, optimizer, state["step"], state["seconds"], state["log"])
    return run


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _linear(steps: int, warmup: float) -> Callable[[int], float]:
    rising = max(1, round(steps * warmup))
    return lambda step: min((step + 1) / rising, max(0.0, (steps - step) / (steps - rising + 1)))


def _learn(
    run: _Run,
    schedule: torch.optim.lr_scheduler.LambdaLR,
    plan: Sequence[list[Row]],
    watch: Sequence[Row],
    config: TrainConfig,
    out: Path,
    report: Report,
) -> None:
    began, before = time.monotonic() - run.seconds, run.seconds
    losses: list[tuple[float, float]] = []
    tokens = 0
    for batch in plan[run.step :]:
        losses.append(_step(run, batch, config))
        schedule.step()
        run.step += 1
        tokens += sum(len(row.encoding.ids) for row in batch)
        run.seconds = time.monotonic() - began
        last = run.step == len(plan)
        if run.step % config.log_every == 0 or last:
            entry = _entry(run, len(plan), losses, tokens / max(run.seconds - before, 1e-9))
            _note(run, entry, report)
            losses, tokens, before = [], 0, run.seconds
        if run.step % config.watch_every == 0 or last:
            _note(
                run,
                {"step": run.step, "steps": len(plan), "watch": measure(run.model, watch)},
                report,
            )
        if run.step % config.save_every == 0 or last:
            _save(run, config, out)


def _note(run: _Run, entry: dict[str, Any], report: Report) -> None:
    run.log.append(entry)
    report(entry)


def _entry(
    run: _Run, steps: int, losses: Sequence[tuple[float, float]], speed: float
) -> dict[str, Any]:
    claim, token = np.mean(losses, axis=0).tolist()
    return {
        "step": run.step,
        "steps": steps,
        "loss": round(claim, 4),
        "token_loss": round(token, 4),
        "tokens_per_s": round(speed),
        "seconds": round(run.seconds),
    }


def _step(run: _Run, batch: Sequence[Row], config: TrainConfig) -> tuple[float, float]:
    run.model.train()
    claim_loss, token_loss = losses_of(run.model, batch)
    torch.autograd.backward(claim_loss + config.token_weight * token_loss)
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    return float(claim_loss.detach()), float(token_loss.detach())


def losses_of(model: CrossEncoder, batch: Sequence[Row]) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy of the claims, and of those of their tokens whose blame is known."""
    claim, token = forward(model, batch)
    supported = torch.tensor([float(row.supported) for row in batch], device=claim.device)
    blame = torch.full(token.shape, -1.0)
    for i, row in enumerate(batch):
        start = row.encoding.claim_start
        blame[i, start : start + len(row.blame)] = torch.from_numpy(row.blame)
    known = blame.to(token.device) >= 0
    claim_loss = functional.binary_cross_entropy_with_logits(claim, supported)
    if not bool(known.any()):
        return claim_loss, token.sum() * 0.0
    wanted = blame.to(token.device)[known]
    return claim_loss, functional.binary_cross_entropy_with_logits(token[known], wanted)


def _save(run: _Run, config: TrainConfig, out: Path) -> None:
    state = {
        "config": asdict(config),
        "model": run.model.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "step": run.step,
        "seconds": run.seconds,
        "log": run.log,
    }
    part = out / (STATE_FILE + ".part")
    torch.save(state, part)
    part.replace(out / STATE_FILE)
    (out / LOG_FILE).write_text(json.dumps({"config": asdict(config), "log": run.log}, indent=1))
