"""Completes code at a cursor, and postprocesses the text that the model generates."""
