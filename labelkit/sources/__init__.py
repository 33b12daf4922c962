"""What `labelkit record` can record from."""
