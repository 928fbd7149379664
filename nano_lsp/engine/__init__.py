"""The process that owns the model for all programs of a user, and both ends of the wire to it."""
