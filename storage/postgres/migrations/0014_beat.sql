-- The beat of the writing server, as a sequence: that leaves no old versions of a row behind. A transaction that stays
-- open for hours, such as that of a backup, would keep all of them, and each look would read them.
CREATE SEQUENCE lease_beat;

ALTER TABLE lease DROP COLUMN beat;
