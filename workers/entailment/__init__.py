"""Trains the entailment grader: labelled data in, the shipped ONNX checkpoint out."""
