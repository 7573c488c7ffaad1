-- Invitations are offers: a row of members may be one, made by somebody at a time (Unix microseconds, 0 for none).
ALTER TABLE members
    ADD COLUMN invited_at bigint NOT NULL DEFAULT 0,
    ADD COLUMN inviter_id text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN inviter    text COLLATE "C" NOT NULL DEFAULT '';

-- The invitations of a person, the newest first.
CREATE INDEX members_invited ON members (user_id, invited_at) WHERE invited_at <> 0;

-- The few rows that a room must know to be loaded: those who are invited are among them.
DROP INDEX members_standing;
CREATE INDEX members_standing ON members (room_id, user_id)
    WHERE role <> 'member' OR banned_until <> 0 OR muted_until <> 0 OR invited_at <> 0;
