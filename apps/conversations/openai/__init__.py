"""The OpenAI-compatible door: other people's programs talk to an assistant without knowing Parley."""
