"""Summaries of documents: statements, each with the passage that it is from.

`loaders` take a document apart and say what was not read, `segmentation` knows words and sentences of any script,
`passages` cuts into what one prompt holds, `evidence` says whether a passage bears out a statement, `summary` has the
model state and choose, `progress` keeps what it has said so far.
"""
