"""What the code around the cursor is. It knows no model and no engine."""
