"""Code edits on request: fixes, simplifications, type hints, tests, notebook cells."""
