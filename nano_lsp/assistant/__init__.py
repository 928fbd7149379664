"""What every feature is built on: its context, prompts, the token budget, and requests to the model."""
