"""Analysis of the code around the cursor, independent of models and the engine."""
