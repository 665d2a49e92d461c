"""Writes of evaluations."""
