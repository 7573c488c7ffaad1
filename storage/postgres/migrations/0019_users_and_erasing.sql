-- Users whom the application has added, who may never have connected. Any server writes it. A name that a user's token or a
-- room has is newer, as a change of the name here goes to the rooms, too.
--
-- Times are Unix microseconds.
CREATE TABLE added_users (
    user_id    text COLLATE "C" PRIMARY KEY,
    name       text COLLATE "C" NOT NULL,
    added_at   bigint NOT NULL,
    changed_at bigint NOT NULL
);

-- Deleted messages that still have their text, and deleted rooms that are still here, the longest deleted first.
CREATE INDEX messages_to_erase ON messages (deleted_at) WHERE deleted_at IS NOT NULL AND content <> '';
CREATE INDEX rooms_to_erase ON rooms (deleted_at) WHERE deleted_at IS NOT NULL;
