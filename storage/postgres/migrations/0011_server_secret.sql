-- What the servers of this database know and applications do not: the keys of guest tokens are derived from it. One row,
-- written by the server that writes messages, and read by every server.
--
-- secret: NULL as long as SERVER_SECRET has always been set.
-- replaced_at: when a database of an earlier version got this row. Tokens of guests that were signed with a key derived from
-- JWT_SECRET are accepted for 30 days after that. NULL in a database that was new: there are no such tokens.
CREATE TABLE server_secret (
    id          smallint PRIMARY KEY CHECK (id = 1),
    secret      bytea,
    replaced_at timestamptz
);
