"""Which models may be used, at what price, under which limit."""
