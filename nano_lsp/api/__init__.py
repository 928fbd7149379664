"""The assistant from Python: `nano_lsp.complete`, `explain`, `docstring`, `ask`, `run_task`."""
