"""What the assistant can do. It knows no protocol, no terminal and no editor."""
