"""The doors: each translates one protocol to the assistant, and has no logic of its own."""
