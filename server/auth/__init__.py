"""Tokens, and the principal that a request's token names."""
