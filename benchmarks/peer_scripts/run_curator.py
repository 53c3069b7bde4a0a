"""Bespoke Curator 0.1: one LLM class writes, a second one judges what came out.

As in its guide "Quick Tour"; its own OpenAI client, cache off, rate limits out of the way.
"""

import json
import sys

from bespokelabs import curator

MANY = 1_000_000_000


class Writer(curator.LLM):
    """Writes a sentence about each record."""

    def prompt(self, row: dict) -> str:
        return f"Sum up the record below in one sentence.\n\n{row['source']}"

    def parse(self, row: dict, response: str) -> dict:
        return {"source": row["source"], "summary": response}


class Judge(curator.LLM):
    """Says whether the record supports the sentence."""

    def prompt(self, row: dict) -> str:
        return (
            f"Does the source support the claim? Answer yes or no.\n\n{row['source']}\n\n"
            f"Claim: {row['summary']}"
        )

    def parse(self, row: dict, response: str) -> dict:
        return {"summary": row["summary"], "verdict": response}


def main() -> None:
    """`run_curator.py BASE_URL SOURCES_JSONL FOLDER`"""
    with open(sys.argv[2]) as lines:
        sources = [{"source": json.loads(line)["text"]} for line in lines]
    params = {
        "base_url": sys.argv[1],
        "max_concurrent_requests": 64,
        "max_requests_per_minute": MANY,
        "max_tokens_per_minute": MANY,
    }
    options = {"model_name": "fixed-latency", "backend": "openai", "backend_params": params}
    written = Writer(**options)(sources)
    judged = Judge(**options)(written.dataset)
    verdicts = judged.dataset["verdict"]
    print(json.dumps({"passed": sum(verdict == "yes" for verdict in verdicts)}))


if __name__ == "__main__":
    main()
