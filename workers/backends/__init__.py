"""Where candidates are produced: in this process, or by actors of a Ray cluster."""
