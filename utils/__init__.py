"""The lowest layer: clock, ids, tasks, backoff, words, query text. No chat concepts and no I/O."""
