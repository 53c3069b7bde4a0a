"""What an audit says, for the gateway and the command line alike."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from graders.calibration.audit import audit_bound
from workers.ledger_lines import sample_line
from workers.store.records import AuditRecord
from workers.types import LedgerRow

Json = dict[str, Any]


def audit_object(
    audit: AuditRecord, confidence: float, samples: Sequence[LedgerRow] | None = None
) -> Json:
    """The audit with its bound; with `samples`, the rows of the draw, each with its text.

    The bound uses the labels up to the first sample of the draw that has none: a person who picks
    and chooses labels no random sample. `out_of_order` counts labels that wait for those before.
    """
    prefix: list[bool] = []
    for item in audit.draws:
        if item.correct is None:
            break
        prefix.append(item.correct)
    labelled = sum(item.correct is not None for item in audit.draws)
    draws: list[Json] = [asdict(item) for item in audit.draws]
    if samples is not None:
        draws = [
            {**item, **_sample(audit.batch_id, row)}
            for item, row in zip(draws, samples, strict=True)
        ]
    return {
        "object": "audit",
        "batch_id": audit.batch_id,
        "seed": audit.seed,
        "drawn": len(audit.draws),
        "out_of_order": labelled - len(prefix),
        "bound": asdict(audit_bound(prefix, audit.population, audit.planned, confidence)),
        "created_at": audit.created_at,
        "draws": draws,
    }


def bound_text(audit: Json) -> str:
    """What the labels show, in a sentence or two."""
    bound = audit["bound"]
    text = (
        f"{bound['labelled']} of {audit['drawn']} drawn are labelled, {bound['wrong']} of them "
        f"wrong. At {bound['confidence']:.1%} confidence at most {bound['most_wrong']} of the "
        f"batch's {bound['population']} samples are wrong ({bound['most_wrong_share']:.1%}), "
        "whenever you stop"
    )
    if bound["most_wrong_as_planned"] is not None:
        share = f"{bound['most_wrong_share_as_planned']:.1%}"
        most = f"{bound['most_wrong_as_planned']} ({share})"
        text += f"; at most {most} by the {bound['planned']} planned"
    if audit["out_of_order"]:
        text += f". {audit['out_of_order']} labels count once those before them are there"
    return f"{text}."


def _sample(batch_id: str, row: LedgerRow) -> Json:
    source = row.candidate.source if row.candidate else None
    return {**sample_line(batch_id, row), "source": source.text if source else None}
