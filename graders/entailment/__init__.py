"""Entailment: does a source support a claim? Retrieval inside the source, then a cross-encoder."""
