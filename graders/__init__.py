"""Judges text: is it supported, right, well-formed and new? Knows nothing of HTTP, Ray or engines."""
