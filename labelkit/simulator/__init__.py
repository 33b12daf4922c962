"""Recordings of simulated hands, with the exact truth beside them (docs/simulator.md)."""
