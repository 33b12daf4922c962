"""Planning and running a build: recordings in, a finished dataset out."""
