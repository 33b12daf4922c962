"""What is done to pictures: finding the hand, cropping it, shrinking it. Pure functions of arrays."""
