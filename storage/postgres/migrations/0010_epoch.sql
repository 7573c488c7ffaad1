-- The epoch that a stopped server has left, with a mark of the very row version and database in which it was written.
-- NULL while a server runs.
ALTER TABLE lease
    ADD COLUMN epoch text COLLATE "C",
    ADD COLUMN mark  text COLLATE "C";

-- What neither a dump that is restored, nor a copy, nor a standby that is promoted has in common with its original: the
-- cluster, its timeline, the database in it, and this table.
CREATE FUNCTION lease_identity() RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ',
        (SELECT system_identifier FROM pg_control_system()),
        left(pg_walfile_name(pg_current_wal_lsn()), 8),
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        'lease'::regclass::oid)
$$;
