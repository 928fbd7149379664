"""The way to an engine in another process: where it is, what is said, and who asks."""
