-- New words wait in the pending list of the index until the server merges them (storage.postgres.write.words), on a
-- connection of its own. An insert that finds this many KB merges them itself, and every later write of its worker waits:
-- 1 MB takes 20 ms, but a list grows while it is merged, and that of many words took seconds.
ALTER INDEX messages_words SET (gin_pending_list_limit = 16384);
