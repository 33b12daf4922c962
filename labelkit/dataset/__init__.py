"""The dataset on disk: shards, label table, manifest, and the reader of all three."""
