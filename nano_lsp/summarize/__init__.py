"""Extractive summaries of documents: statements, each with a citation of its passage.

`loaders` read documents and report what was not read, `segmentation` splits text of any script into sentences and
words, `chunking` cuts a document into passages and chunks that fit a prompt, `grounding` checks whether a passage
supports a statement, `summary` has the two steps, `pipeline` runs them.
"""
