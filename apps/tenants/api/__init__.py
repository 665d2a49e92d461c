"""JSON doors of the organisation itself."""
