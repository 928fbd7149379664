"""The language server: translates between the Language Server Protocol and the assistant."""
