"""Evaluation of completions: problems, a sandbox, metrics, a baseline, and resumable runs."""
