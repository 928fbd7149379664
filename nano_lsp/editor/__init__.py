"""What an editor's server needs, whatever its protocol: the session, its settings, ghost text and acceptance."""
