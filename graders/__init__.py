"""Judges text: supported, right, well-formed, new? Knows nothing of HTTP, Ray or engines."""
