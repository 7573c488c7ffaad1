"""Reading: history, lists, search, and replay for a client that comes back."""
