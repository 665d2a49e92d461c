"""One module per way to reach a model; each is imported only when a request names it."""
