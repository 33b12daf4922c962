"""One function per command: paths and settings in, a result that can be printed out."""
