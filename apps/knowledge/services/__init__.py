"""Writes of the knowledge app."""
