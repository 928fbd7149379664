"""Model files: the manifest, the store, where files come from, and what a GGUF file holds."""
