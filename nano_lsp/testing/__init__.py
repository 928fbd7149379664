"""The scripted backend: a model without weights, for tests."""
