"""Measures of a gate (risk, coverage, AUROC, …) and of a corpus (diversity), in plain numpy.

`gate_quality/` and `diversity/` wrap them as Hugging Face `evaluate` modules, loaded by path.
"""
