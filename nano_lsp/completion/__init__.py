"""Completes code at a cursor, and postprocesses what the model offers."""
