"""Pages: self-contained HTML files that open from disk, without a network."""
