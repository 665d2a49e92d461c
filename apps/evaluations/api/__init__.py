"""The JSON door of evaluations."""
