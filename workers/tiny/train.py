"""Trains winnow-tiny from a seed: composed text in, an ordinary Hugging Face checkpoint out.

The same seed, step count and machine give the same weights. Interrupted runs resume from the
state file beside the checkpoint.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from workers.tiny.corpus.rows import Row, compose_rows
from workers.tiny.muon import Muon
from workers.tiny.tokenizer import train_tokenizer

STATE_FILE = "training_state.pt"
TOKENIZER_ROWS, HELD_OUT_ROWS = 20_000, 256
LOG_FILE = "training_log.json"
LENGTH_STEP, TARGET_STEP = 32, 512
"""Rows are padded to the one, targets per batch to the other, so that shapes recur."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Sizes and schedule. Tokens count whole rows, prompts included; loss is on replies only."""

    seed: int = 0
    steps: int = 4000
    batch_tokens: int = 6144
    vocab_size: int = 3072
    hidden_size: int = 192
    layers: int = 7
    heads: int = 6
    intermediate_size: int = 640
    context: int = 1024
    muon_lr: float = 4e-3
    adam_lr: float = 4e-3
    warmup_steps: int = 100
    decay_from: float = 0.3
    verdict_weight: float = 5.0
    log_every: int = 50
    save_every: int = 500

    def __post_init__(self) -> None:
        """Raises ValueError for a width that the heads can't share."""
        if self.hidden_size % (2 * self.heads):
            step = 2 * self.heads
            raise ValueError(f"hidden size {self.hidden_size} is no multiple of {step}")


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of one row and the weight of each as a target (0 in the prompt)."""

    ids: list[int]
    weights: list[float]


def build_model(config: TrainConfig, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama with tied embeddings, initialised from the seed."""
    torch.manual_seed(config.seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden_size,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            head_dim=config.hidden_size // config.heads,
            intermediate_size=config.intermediate_size,
            max_position_embeddings=config.context,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def encode(row: Row, tokenizer: PreTrainedTokenizerFast, verdict_weight: float) -> Example:
    """Tokenise one exchange as the chat template would. A judge's verdict weighs more."""
    prompt = f"<|begin|><|user|>{row.prompt}<|end|><|assistant|>"
    head = tokenizer.encode(prompt, add_special_tokens=False)
    tail = tokenizer.encode(f"{row.reply}<|end|>", add_special_tokens=False)
    weights = [0.0] * len(head) + [1.0] * len(tail)
    if row.task.startswith("judge"):
        weights[-2] = verdict_weight
    return Example(head + tail, weights)


def batches(
    rows: Iterator[Row], tokenizer: PreTrainedTokenizerFast, config: TrainConfig
) -> Iterator[list[Example]]:
    """Endless batches of rows of like length, `batch_tokens` each with padding.

    Lengths fall into a few buckets: CPU kernels are compiled once per shape.
    """
    buckets: dict[int, list[Example]] = {}
    for row in rows:
        example = encode(row, tokenizer, config.verdict_weight)
        length = padded_length(len(example.ids))
        if length > config.context:
            continue
        bucket = buckets.setdefault(length, [])
        bucket.append(example)
        if len(bucket) >= config.batch_tokens // length:
            yield buckets.pop(length)


def padded_length(length: int, step: int = LENGTH_STEP) -> int:
    """`length` rounded up to a whole number of steps."""
    return -(-length // step) * step


def computing_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware has it; a CPU without it would emulate it, at 5% of the speed."""
    if device.type != "cpu":
        return torch.bfloat16
    has = [name for name, there in torch.cpu.get_capabilities().items() if there is True]
    return torch.bfloat16 if any("bf16" in name for name in has) else torch.float32


def loss_of(model: LlamaForCausalLM, batch: list[Example]) -> Tensor:
    """Weighted cross-entropy of the reply tokens, nats per token."""
    longest = padded_length(max(len(example.ids) for example in batch))
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    weights = torch.zeros(len(batch), longest)
    for index, example in enumerate(batch):
        ids[index, : len(example.ids)] = torch.tensor(example.ids)
        weights[index, : len(example.ids)] = torch.tensor(example.weights)
    targets, kept = ids[:, 1:].flatten(), weights[:, 1:].flatten()
    where = kept.nonzero().flatten()
    spare = padded_length(len(where), TARGET_STEP) - len(where)
    where = torch.cat([where, (kept == 0).nonzero().flatten()[:spare]])
    ids, targets, kept = (t.to(model.device) for t in (ids, targets[where], kept[where]))
    fast = computing_dtype(model.device) is torch.bfloat16
    with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=fast):
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        logits = model.lm_head(hidden.flatten(0, 1)[where])
    losses = functional.cross_entropy(logits.float(), targets, reduction="none")
    return (losses * kept).sum() / kept.sum()


def build_optimizers(model: LlamaForCausalLM, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Muon for the matrices (Jordan et al. 2024), AdamW for embeddings and norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        Muon(
            matrices,
            lr=config.muon_lr,
            weight_decay=0.05,
            dtype=computing_dtype(model.device),
        ),
        torch.optim.AdamW(others, lr=config.adam_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def learning_rate_factor(step: int, config: TrainConfig) -> float:
    """Warm-up, constant, then linear decay to zero (Hägele et al. 2024)."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    decay_start = config.decay_from * config.steps
    return min(1.0, max(0.0, (config.steps - step) / (config.steps - decay_start)))


@torch.no_grad()
def held_out_loss(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    config: TrainConfig,
) -> dict[str, float]:
    """Loss in nats per reply token on held-out rows, per task."""
    by_task: dict[str, list[Example]] = {}
    for row in islice(compose_rows(config.seed + 1, "held_out"), HELD_OUT_ROWS):
        by_task.setdefault(row.task, []).append(encode(row, tokenizer, 1.0))
    return {task: float(loss_of(model, examples)) for task, examples in sorted(by_task.items())}


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Write the checkpoint in bfloat16: config, safetensors, tokenizer, generation config."""
    weights = {name: t.to(torch.bfloat16) for name, t in model.state_dict().items()}
    weights.pop("lm_head.weight", None)
    half = LlamaForCausalLM(model.config).to(torch.bfloat16)
    half.load_state_dict(weights, strict=False)
    half.tie_weights()
    half.generation_config = model.generation_config
    half.save_pretrained(out)
    tokenizer.save_pretrained(out)


def _tokenizer(config: TrainConfig) -> PreTrainedTokenizerFast:
    sample = islice(compose_rows(config.seed, "train"), TOKENIZER_ROWS)
    texts = (text for row in sample for text in (row.prompt, row.reply))
    return train_tokenizer(texts, config.vocab_size, config.context)


def _saved_state(path: Path, config: TrainConfig, device: torch.device) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    was = state.get("config", {})
    other = [
        f"{name} {was.get(name)}" for name, now in asdict(config).items() if was.get(name) != now
    ]
    if other:
        raise ValueError(
            f"{path.parent} holds an interrupted run with {', '.join(other)}: "
            "resume it with those, or choose another folder"
        )
    return state


@dataclass(slots=True)
class Run:
    """A run under way: what is trained, `done` steps of it, and what was told so far."""

    config: TrainConfig
    out: Path
    tokenizer: PreTrainedTokenizerFast
    model: LlamaForCausalLM
    optimizers: list[torch.optim.Optimizer]
    done: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)


def begin(config: TrainConfig, out: Path) -> Run:
    """A new run, or the interrupted one that `out` holds. Raises ValueError for one of another
    configuration.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    path = out / STATE_FILE
    state = _saved_state(path, config, device) if path.exists() else None
    tokenizer = PreTrainedTokenizerFast.from_pretrained(out) if state else _tokenizer(config)
    model = build_model(config, tokenizer).to(device)
    run = Run(config, out, tokenizer, model, build_optimizers(model, config))
    if state is not None:
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(run.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        run.done, run.log = state["step"], json.loads(state["log"])
    return run


def take_step(run: Run, batch: list[Example]) -> float:
    """One update of the weights; the loss before it, in nats per reply token."""
    factor = learning_rate_factor(run.done, run.config)
    peaks = (run.config.muon_lr, run.config.adam_lr)
    for optimizer, peak in zip(run.optimizers, peaks, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = peak * factor
    loss = loss_of(run.model, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    for optimizer in run.optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    run.done += 1
    return loss.item()


def save_state(run: Run) -> None:
    """Write the checkpoint, and beside it what resuming needs, whole or not at all."""
    save(run.model, run.tokenizer, run.out)
    state = {
        "model": run.model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in run.optimizers],
        "step": run.done,
        "log": json.dumps(run.log),
        "config": asdict(run.config),
    }
    path = run.out / STATE_FILE
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def finish(run: Run) -> None:
    """Leave the checkpoint and its log; the state for resuming goes."""
    (run.out / STATE_FILE).unlink(missing_ok=True)
    parameters = sum(p.numel() for p in run.model.parameters())
    summary = {"config": asdict(run.config), "parameters": parameters, "log": run.log}
    (run.out / LOG_FILE).write_text(json.dumps(summary, indent=1) + "\n")


def train(
    config: TrainConfig, out: Path, report: Callable[[dict[str, Any]], None] = lambda entry: None
) -> None:
    """Train and write to `out`; `report` gets each log entry.

    An interrupted run is resumed, with rows that it has not seen. Raises ValueError when `out`
    holds an interrupted run of another configuration.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = begin(config, out)

    def tell(entry: dict[str, Any]) -> None:
        run.log.append(entry)
        report(entry)

    rows = compose_rows(config.seed + run.done, "train")
    began, tokens, running = time.monotonic(), 0, 0.0
    for batch in islice(batches(rows, run.tokenizer, config), config.steps - run.done):
        running += take_step(run, batch)
        tokens += sum(len(example.ids) for example in batch)
        if run.done % config.log_every == 0:
            speed = tokens / (time.monotonic() - began)
            tell({"step": run.done, "loss": running / config.log_every, "tokens_per_s": speed})
            running = 0.0
        if run.done % config.save_every == 0 or run.done == config.steps:
            losses = held_out_loss(run.model, run.tokenizer, config)
            tell({"step": run.done, "held_out": losses})
            save_state(run)
    finish(run)
