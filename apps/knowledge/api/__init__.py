"""JSON door of the knowledge app."""
