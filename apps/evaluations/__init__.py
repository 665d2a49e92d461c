"""How good the answers are: data sets, evaluators and experiments."""
