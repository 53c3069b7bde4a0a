"""The figures as Markdown: against published systems, then every grader on every set."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Figures = Mapping[str, Mapping[str, Mapping[str, Any]]]
_DASH = "–"


def write_report(report: Mapping[str, Any]) -> str:
    """Everything of the report as one page of tables."""
    parts = [
        "## Against published systems\n",
        _table(
            ("figure", "ours (95% interval)", "published", "how the tasks differ"),
            _compared(report["compared"]),
        ),
        "\n## Every grader on every set\n",
        "Thresholds are chosen on other sources (five folds); AUROC needs none. Intervals are "
        "drawn over sources. Texts whose source training saw are left out. “Mean over tasks” is "
        "balanced accuracy with each task weighing the same; “as shipped” is at the gate's default "
        "threshold. The labels of open_models are an LLM judge's, all others people's.\n",
        _table(_HEADS, _sets(report["sets"])),
        "\n## By task\n",
        _table(_HEADS, _tasks(report["sets"])),
        "\n## Does it rank models as the labels do?\n",
        _table(
            ("set", "grader", "Spearman, mean score", "Spearman, share refused"),
            _ranking(report["ranking"]),
        ),
        "\n## Does the guarantee hold?\n",
        _table(
            (
                "set",
                "at most",
                "splits",
                "certificates",
                "misses",
                "holds",
                "yield",
                "redrawn: certificates",
                "misses",
                "holds",
            ),
            _guarantee(report["guarantee"]),
        ),
        "A miss is a split whose second half of sources had more errors than certified on the "
        "first. At most 5% of the splits may be, but for chance; a refusal is none. Too few to "
        "say: had every certificate missed, it could still be chance. “Redrawn” draws the "
        "calibration sources with replacement and counts errors over all of them.\n",
    ]
    return "\n".join(parts)


_HEADS = (
    "set",
    "grader",
    "texts",
    "sources",
    "wrong",
    "AUROC",
    "F1 (wrong)",
    "balanced accuracy",
    "mean over tasks",
    "accuracy as shipped",
    "passes as shipped",
    "of that wrong",
    "ungraded",
)


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def percent(found: Mapping[str, float | None] | None, digits: int = 1) -> str:
    """A share in percent with its interval; a dash where there is none."""
    if not found or found["value"] is None:
        return _DASH
    value = f"{100 * found['value']:.{digits}f}"
    if found["low"] is None or found["high"] is None:
        return value
    return f"{value} ({100 * found['low']:.{digits}f}-{100 * found['high']:.{digits}f})"


def _compared(found: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    for one in found:
        published = ", ".join(f"{name} {value}" for name, value in one["published"].items())
        yield (
            one["figure"],
            percent(one["ours"]),
            f"{published} ({one['source']})",
            one["differs"],
        )


def _sets(sets: Figures) -> Iterator[Sequence[str]]:
    for name, graders in sets.items():
        for grader, figures in graders.items():
            yield _row(name, grader, figures["all"], figures["ungraded"])


def _tasks(sets: Figures) -> Iterator[Sequence[str]]:
    """Of the first grader of each set, the one that ships; the others are in the JSON file."""
    for name, graders in sets.items():
        for grader, figures in list(graders.items())[:1]:
            for task, part in figures.get("tasks", {}).items():
                yield _row(f"{name}: {task}", grader, part, None)


def _row(name: str, grader: str, part: Mapping[str, Any], ungraded: int | None) -> Sequence[str]:
    return (
        name,
        grader,
        str(part["rows"]),
        str(part["sources"]),
        f"{part['wrong'] / part['rows']:.0%}",
        percent(part["auroc"]),
        percent(part["f1"]),
        percent(part["balanced_accuracy"]),
        percent(part.get("macro_balanced_accuracy")),
        *_as_shipped(part.get("as_shipped")),
        _DASH if ungraded is None else str(ungraded),
    )


def _as_shipped(part: Mapping[str, Any] | None) -> Sequence[str]:
    """At the gate's default threshold: accuracy, what passes, and how much of that is wrong."""
    if part is None:
        return _DASH, _DASH, _DASH
    shares = (part.get(name) for name in ("coverage", "risk"))
    told = (_DASH if share is None else f"{share:.0%}" for share in shares)
    return percent(part["accuracy"]), *told


def _ranking(ranking: Mapping[str, Mapping[str, Any]]) -> Iterator[Sequence[str]]:
    for name, graders in ranking.items():
        for grader, found in graders.items():
            cells = (percent(found[key], 0) for key in ("spearman_mean_score", "spearman_refused"))
            yield (name, grader, *cells)


def _guarantee(checks: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[Sequence[str]]:
    for name, found in checks.items():
        for check in found.values():
            yield (
                name,
                f"{check['alpha']:.0%}",
                str(check["splits"]),
                *_kept(check),
                f"{check['yield']:.1%}",
                *_kept(check["redrawn_sources"]),
            )


def _kept(found: Mapping[str, Any]) -> Sequence[str]:
    """Certificates, misses among them, and whether that keeps the promise."""
    holds = {True: "yes", False: "NO", None: "too few to say"}[found["holds"]]
    return (str(found["granted"]), str(found["misses"]), holds)
