-- What several servers of one database know of each other.
--
-- token: how often the right to write went to a server that did not have it before. Of two servers that claim to be the
--     writing one, the one with the higher token is.
-- beat: raised several times a second by the writing server if it is one of several, so that the others notice when it hangs.
-- installation: names this database among all that servers on one message bus may have.
-- identity: `lease_identity()` when the installation was named. A copy and a restored backup have another one, and get
--     another name.
ALTER TABLE lease
    ADD COLUMN token        bigint NOT NULL DEFAULT 0,
    ADD COLUMN beat         bigint NOT NULL DEFAULT 0,
    ADD COLUMN installation uuid,
    ADD COLUMN identity     text COLLATE "C";
