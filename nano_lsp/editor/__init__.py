"""Protocol-independent parts of editor servers: the session, settings, ghost text, acceptance and statistics."""
