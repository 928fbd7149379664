"""The forge: recipes for fine-tuning, and the training data that they describe."""
