"""Error measures: pure, on arrays."""
