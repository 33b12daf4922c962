"""Labelling of one frame: palm, plane, normal, crop, and the checks that reject it."""
