"""Judge a set of samples: coverage, distinct samples, guidance, doubts, splits, and the words for them."""
