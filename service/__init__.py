"""The HTTP gateway, its client and the command line."""
