"""The forge: recipes for fine-tuning, the training data that they describe, training, and evaluation of adapters."""
