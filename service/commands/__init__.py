"""The verbs of the command line, one file each, and how they end."""
