"""The pages of assistants."""
