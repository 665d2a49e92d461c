"""One module per thing on the screen."""
