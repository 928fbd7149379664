"""How good completions are: problems, a sandbox, measures, and runs that can be gone on with."""
