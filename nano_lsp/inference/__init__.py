"""The engine: token ids in, token ids out. It knows no prompt, no document and no editor."""
