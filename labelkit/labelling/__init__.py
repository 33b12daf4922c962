"""From a frame to its label, and what decides. Pure."""
