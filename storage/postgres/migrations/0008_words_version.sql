-- Which cut of its text the words of a message are (utils.words.WORDS_VERSION). Those that are here are of the first.
ALTER TABLE messages ADD COLUMN words_version smallint NOT NULL DEFAULT 1;

-- What is to be cut again, in the order in which that is done; empty when it is done. New messages have the newest cut, so
-- an insert does not touch it.
CREATE INDEX messages_old_words ON messages (room_id, seq) WHERE words_version < 2;
