"""Turning a file of unknown origin into chunks: pure, deterministic, no Django and no database."""
