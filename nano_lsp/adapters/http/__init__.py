"""The shared engine's process and its doors: HTTP to the host of models."""
