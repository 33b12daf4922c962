"""The painting game: the coverage map while recording."""
