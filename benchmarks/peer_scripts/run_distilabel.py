"""distilabel 1.5: a pipeline of two text generations, 64 in flight in each.

As in its guides "Quickstart" and "TextGeneration"; the pipeline's cache is off.
"""

import json
import sys

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration

WRITE = "Sum up the record below in one sentence.\n\n{{ source }}"
JUDGE = (
    "Does the source support the claim? Answer yes or no.\n\n{{ source }}\n\nClaim: {{ summary }}"
)


def main() -> None:
    """`distilabel.py BASE_URL SOURCES_JSONL FOLDER`"""
    with open(sys.argv[2]) as lines:
        sources = [{"source": json.loads(line)["text"]} for line in lines]

    def llm() -> OpenAILLM:
        return OpenAILLM(model="fixed-latency", base_url=sys.argv[1], api_key="none")

    with Pipeline(name="records") as pipeline:
        load = LoadDataFromDicts(data=sources)
        write = TextGeneration(
            name="write",
            llm=llm(),
            template=WRITE,
            columns=["source"],
            input_batch_size=64,
            output_mappings={"generation": "summary"},
        )
        judge = TextGeneration(
            name="judge",
            llm=llm(),
            template=JUDGE,
            columns=["source", "summary"],
            input_batch_size=64,
            output_mappings={"generation": "verdict"},
        )
        load >> write >> judge
    rows = pipeline.run(use_cache=False)["default"]["train"]
    print(json.dumps({"passed": sum(verdict == "yes" for verdict in rows["verdict"])}))


if __name__ == "__main__":
    main()
