"""Changes of code on request: fixes, simplifications, type hints, tests, notebook cells, and explanations."""
