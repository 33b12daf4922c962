"""The command line: one file per command; each parses, calls one workflow and prints."""

import sys

from labelkit.import_path import leave_out_current_folder


def main() -> None:
    """Run the command line, and end the process with an exit code from the list in `labelkit --help`."""
    leave_out_current_folder()  # before all other imports
    from labelkit.errors import INTERRUPTED

    try:
        from labelkit.cli.program import open_streams, run  # in here, so that Ctrl-C while it loads is answered too
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    open_streams()
    run()


__all__ = ["main"]
