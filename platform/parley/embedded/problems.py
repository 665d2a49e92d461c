"""What can keep Parley from starting, as sentences for the person in front of the terminal."""

from __future__ import annotations


class CannotStart(Exception):
    """Parley cannot start; the message says why and what to do."""


class AlreadyRunning(CannotStart):
    """Another Parley runs from the same data folder."""
