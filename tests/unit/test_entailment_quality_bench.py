"""The benchmark of the cross-encoder alone reads texts as the grader does."""

from benchmarks.entailment_quality import score_rows, summarise
from graders.entailment.model import SHIPPED, load_encoder


def test_a_text_has_its_worst_claims_score_however_long_a_claim_is() -> None:
    source = "The Danube is a river in Europe. It is 2850 km long and flows into the Black Sea."
    long = "The Danube is a river in Europe, " + "and it flows on and on " * 60 + "to the sea."
    texts = ["The Danube is a river in Europe.", "The Danube is a desert in Brazil.", long]
    rows = [
        {"text": text, "source": source, "label": label, "spans": [], "dataset": "toy"}
        for text, label in zip(texts, ["consistent", "inconsistent", "consistent"], strict=True)
    ]
    good, bad, unbroken = score_rows(load_encoder(SHIPPED), rows)
    assert good.score > bad.score
    assert len(unbroken.claims) == 1
    assert summarise([good, bad])["auroc"] == 1.0
