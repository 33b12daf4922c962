"""Cameras, planes, orientations and sensor noise. Pure functions of arrays."""
