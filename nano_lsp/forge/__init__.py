"""The forge: recipes for fine-tuning, the training data that they describe, and training."""
