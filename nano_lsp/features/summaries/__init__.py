"""Summaries of documents: statements, each with the passage that it is from.

`reading` takes a document apart, `passages` cuts it into what one prompt holds, `evidence` says whether a passage
bears out a statement, `summary` has the model state and choose, `progress` keeps what it has said so far.
"""
