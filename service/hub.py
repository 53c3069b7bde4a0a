"""Pushes a batch to the Hugging Face Hub: samples, rejects and a card, as `winnow batch` has them.

What is there is the batch alone: an earlier one under the same name is replaced.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from service.display import certificate_text
from service.held_batch import HeldBatch
from workers.costs import in_words
from workers.dataset_card import dataset_card
from workers.errors import ExportError
from workers.export import open_export
from workers.output_folder import CARD, Counts

Json = dict[str, Any]


async def push(held: HeldBatch, name: str) -> str:
    """Push to the dataset of this name, made private if it is new; its address.

    Raises ExportError without the Hub's library or a token, and when the Hub refuses.
    """
    hub = _hub()
    with TemporaryDirectory(prefix="winnow-") as folder:
        await _write(held, Path(folder))
        return await asyncio.to_thread(_upload, hub, folder, name)


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as exc:
        raise ExportError("the Hub needs more packages: pip install 'winnow[data]'") from exc
    if huggingface_hub.get_token() is None:
        raise ExportError("no token for the Hugging Face Hub: set HF_TOKEN, or `hf auth login`")
    return huggingface_hub.HfApi()


async def _write(held: HeldBatch, folder: Path) -> None:
    written = []
    for kind, lines in (("data/samples", held.samples), ("rejects/rejects", held.rejects)):
        path = folder / f"{kind}.parquet"
        path.parent.mkdir()
        count = 0
        with open_export(str(path)) as export:
            async for line in lines():
                export.write(line)
                count += 1
            if not count:  # `datasets` can't read a file of no rows
                export.discard()
        written.append(count)
    (folder / CARD).write_text(_card(held.state, *written), encoding="utf-8")


def _card(batch: Json, samples: int, rejects: int) -> str:
    failed = batch["request_counts"]["failed"]
    counts = Counts(samples, rejects - failed, failed)
    facts = {
        "recipe": batch["recipe"],
        "model": f"{batch['model']}, seed {batch['seed']}",
        "sources": batch["sources"],
        "asked for": batch["count"],
        "ended": f"{batch['status']} ({batch['stop_reason']})",
        "cost": in_words(batch["cost"]),
        "batch": batch["id"],
    }
    notes = [certificate_text(batch["certificate"])] if batch["certificate"] else []
    return dataset_card(f"{batch['recipe']}, {samples} samples", counts, facts, notes)


def _upload(hub: Any, folder: str, name: str) -> str:
    try:
        made = hub.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
        hub.upload_folder(
            repo_id=made.repo_id,
            repo_type="dataset",
            folder_path=folder,
            commit_message="A batch of Winnow",
            delete_patterns=["data/*", "rejects/*"],
        )
    except Exception as exc:  # of its HTTP library, which differs from version to version
        reason = " ".join(str(exc).split())[:300] or type(exc).__name__
        raise ExportError(f"can't push to {name}: {reason}") from exc
    return str(made)
