"""Finding the hand in a picture, cropping and shrinking it. Pure functions of arrays."""
