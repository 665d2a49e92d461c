"""What every door shares: who is let in, how problems look, how text becomes HTML."""
