"""What novelty finds, how fast it is and what it costs at scale.

Run: python -m benchmarks.novelty --data DIR [--sections quality,speed,scale] [--sizes 1000,…]
"""

import argparse
import sys
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.environment import RESULTS, describe_environment, write_result
from benchmarks.novelty_texts import WORDS, documents
from graders.errors import GraderConfigError
from graders.novelty.minilm import missing

SECTIONS = ("quality", "speed", "scale")


def main() -> None:
    """Run the sections asked for; keep those of an earlier run that were not."""
    options = _options()
    results: dict[str, Any] = {"environment": describe_environment(), "seed": options.seed}
    if "quality" in options.sections:
        results["quality"] = _quality(options)
    if "speed" in options.sections:
        results["speed"] = _speed(options)
    if "scale" in options.sections:
        from benchmarks.novelty_scale import at_sizes

        _say(f"scale: {options.sizes}")
        results["scale"] = at_sizes(options.sizes, options.seed, options.scratch)
    options.out.mkdir(parents=True, exist_ok=True)
    write_result(options.out / "novelty.json", results)
    report = _report(results)
    (options.out / "novelty.md").write_text(report)
    print(report)


def _quality(options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks import novelty_quality as quality
    from graders.novelty.embedding import shared_embedder

    _say("near-duplicates")
    figures = {
        "near_duplicates": quality.near_duplicates(options.data, options.texts // 10, options.seed)
    }
    if options.data is None or missing():
        return figures
    embed = quality.Embedded(shared_embedder())
    _say("rephrased benchmark items (embeds several thousand texts)")
    figures["rephrased"] = quality.rephrased(options.data, embed, options.seed, options.most)
    figures["rewrites"] = quality.rewrites(options.data, embed)
    _say("pairs of the labelled sets")
    figures["pairs"] = quality.pairs(options.data, embed, options.most)
    return figures


def _speed(options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks import novelty_speed as speed

    _say("speed in memory and admitted")
    figures = {
        "in_memory": speed.in_memory(options.texts, options.seed),
        "persisted": speed.persisted(options.texts // 2, options.seed, options.scratch),
    }
    if options.data is not None and not missing():
        _say("speed of embedding")
        prose = (text for text in documents(options.data) if not text.startswith("{"))
        whole = (text for text in prose if len(text.split()) == WORDS)
        figures["embedding"] = speed.embedding([*islice(whole, max(16, options.texts // 100))])
    return figures


def _say(what: str) -> None:
    print(f"novelty: {what}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="the folder of labelled data")
    parser.add_argument(
        "--sections", type=lambda names: names.split(","), default=list(SECTIONS),
        help="some of quality,speed,scale",
    )  # fmt: skip
    parser.add_argument("--texts", type=int, default=20_000, help="texts made for the speeds")
    parser.add_argument("--most", type=int, default=1500, help="rows of one labelled set")
    parser.add_argument(
        "--sizes", type=lambda sizes: [int(size) for size in sizes.split(",")],
        default=[1_000, 100_000, 1_000_000], help="texts admitted before the admissions timed",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--scratch", type=Path, help="folder for the databases; 3 GB at 1,000,000")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"unknown section {sorted(unknown)[0]}; there are: {', '.join(SECTIONS)}")
    if options.data is not None and not (options.data / "novelty").is_dir():
        parser.error(f"{options.data} holds no folder 'novelty' of labelled data")
    return options


def _report(results: dict[str, Any]) -> str:
    """The figures as a page of Markdown: one list per section, scale as a table."""
    lines = ["# Novelty", "", *_nested(results["environment"]), ""]
    for section in ("quality", "speed"):
        if section in results:
            lines += [f"## {section.capitalize()}", "", *_nested(results[section]), ""]
    if results.get("scale"):
        names = list(results["scale"][0])
        lines += ["## Scale", "", "| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
        lines += [
            "| " + " | ".join(_shown(row[name]) for name in names) + " |"
            for row in results["scale"]
        ]
    return "\n".join(lines) + "\n"


def _nested(value: dict[str, Any], depth: int = 0) -> list[str]:
    lines = []
    for name, item in value.items():
        if isinstance(item, dict) and any(isinstance(each, dict) for each in item.values()):
            lines += [f"{'  ' * depth}- {name}", *_nested(item, depth + 1)]
        elif isinstance(item, list):
            lines += [f"{'  ' * depth}- {name}"]
            lines += [f"{'  ' * (depth + 1)}- {_flat(each)}" for each in item]
        else:
            shown = _flat(item) if isinstance(item, dict) else _shown(item)
            lines.append(f"{'  ' * depth}- {name}: {shown}")
    return lines


def _flat(value: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_shown(item)}" for name, item in value.items())


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    try:
        main()
    except GraderConfigError as exc:
        sys.exit(f"novelty: {exc}")
