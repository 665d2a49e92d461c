"""Structured logs that carry request and tenant, and never a secret or a message text."""
