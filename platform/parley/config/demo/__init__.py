"""The demo tenant: Parley's own guide as knowledge, an assistant that answers from it, and how well it does."""
