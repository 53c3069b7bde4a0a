"""NeMo Data Designer 0.9: a text column, then a judge column with one score.

As in its tutorials "The Basics" and "Seeding with an External Dataset"; 64 requests in parallel.
"""

import json
import sys

import data_designer.config as dd
from data_designer.interface import DataDesigner

WRITE = "Sum up the record below in one sentence.\n\n{{ text }}"
JUDGE = "Does the source support the claim?\n\n{{ text }}\n\nClaim: {{ summary }}"


def main() -> None:
    """`run_data_designer.py BASE_URL SOURCES_JSONL FOLDER`"""
    url, sources, folder = sys.argv[1:4]
    provider = dd.ModelProvider(name="local", endpoint=url, provider_type="openai", api_key="none")
    parallel = dd.ChatCompletionInferenceParams(max_parallel_requests=64)
    model = dd.ModelConfig(
        alias="writer", model="fixed-latency", provider="local", inference_parameters=parallel
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(dd.LocalFileSeedSource(path=sources))
    builder.add_column(dd.LLMTextColumnConfig(name="summary", model_alias="writer", prompt=WRITE))
    supported = dd.Score(
        name="supported",
        description="Whether the source supports the claim",
        options={"yes": "it does", "no": "it does not"},
    )
    builder.add_column(
        dd.LLMJudgeColumnConfig(
            name="verdict", model_alias="writer", prompt=JUDGE, scores=[supported]
        )
    )
    designer = DataDesigner(artifact_path=folder, model_providers=[provider])
    designer.set_run_config(dd.RunConfig(otel_metrics_port=None))
    with open(sources) as lines:
        count = sum(1 for _ in lines)
    rows = designer.create(builder, num_records=count, dataset_name="records").load_dataset()
    passed = sum(verdict["supported"]["score"] == "yes" for verdict in rows["verdict"])
    print(json.dumps({"passed": int(passed)}))


if __name__ == "__main__":
    main()
