"""The README.md of what a job wrote: how it was made, what passed, and how to load it."""

from collections.abc import Mapping, Sequence

from workers.output_folder import Counts

FRONT = """\
---
tags: [synthetic, winnow]
configs:
- config_name: default
  data_files: data/*.parquet
- config_name: rejects
  data_files: rejects/*.parquet
---
"""


def dataset_card(
    title: str, counts: Counts, facts: Mapping[str, object], notes: Sequence[str] = ()
) -> str:
    """Markdown that `datasets.load_dataset(folder)` and the Hugging Face hub read.

    `facts` become a list, in their order, `notes` paragraphs.
    """
    total = counts.accepted + counts.rejected + counts.failed
    listed = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    said = "".join(f"\n{note}\n" for note in notes)
    return f"""{FRONT}
# {title}

Made by Winnow. `data/` holds what passed every grader; `rejects/` holds everything else, each with
its reasons. {total} candidates = {counts.accepted} accepted + {counts.rejected} rejected + \
{counts.failed} failed.

{listed}
{said}
```python
datasets.load_dataset("FOLDER")                          # what passed
datasets.load_dataset("FOLDER", "rejects")               # what did not, and why
```

No licence is stated here: add that of your sources and of the model.
"""
