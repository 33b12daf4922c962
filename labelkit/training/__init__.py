"""Batches from the shards, the training loop, and the networks of finished runs."""
