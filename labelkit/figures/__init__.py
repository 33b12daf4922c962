"""Pictures of datasets and runs: the only user of matplotlib, and their likeness in a terminal."""
