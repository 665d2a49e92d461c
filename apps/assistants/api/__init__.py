"""The JSON door to assistants."""
