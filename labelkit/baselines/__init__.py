"""Yardsticks to compare networks with: forests on contour features."""
