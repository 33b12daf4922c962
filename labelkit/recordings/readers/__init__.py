"""Readers of layouts, one file each."""
