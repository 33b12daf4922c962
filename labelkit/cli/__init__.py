"""The command line: one file per command; each parses, calls one workflow and prints."""

from labelkit.cli.main import main

__all__ = ["main"]
