"""Recordings of simulated hands, with their exact orientations (docs/simulator.md)."""
