"""Tokens, and the identities that they prove."""
