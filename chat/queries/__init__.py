"""Reading: history, lists, search, and the replay for a client that reconnects."""
