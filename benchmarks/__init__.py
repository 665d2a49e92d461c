"""What `make bench` runs: each module with a `run` function is a group of figures. Never part of the tests."""
