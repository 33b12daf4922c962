"""The search of structures and settings: what is drawn, which process runs it, its results."""
