"""Ground floor: clock, ids, tasks, backoff, words, query text. No chat words and no I/O."""
