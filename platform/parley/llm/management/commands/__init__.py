"""Commands of the model gateway."""
