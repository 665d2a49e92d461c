"""Parley's platform: everything the applications stand on, and (in `config`) what composes them."""
