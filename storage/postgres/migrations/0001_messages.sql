-- Rooms, their messages, and who may write.
--
-- Text that is compared or indexed is COLLATE "C": letter by letter, as the memory backend compares it, and indexes
-- that no update of the system's locales can spoil.

CREATE TABLE rooms (
    room_id    bigint PRIMARY KEY,
    name       text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    deleted_at timestamptz
);

-- A deleted room frees its name and keeps its log.
CREATE UNIQUE INDEX rooms_name ON rooms (name) WHERE deleted_at IS NULL;

-- No foreign key to rooms: it would fire a trigger and lock the room's row for every message. The one writer looks a
-- room up before its first message instead, and rooms are never removed, only marked deleted.
CREATE TABLE messages (
    room_id    bigint NOT NULL,
    seq        bigint NOT NULL,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    -- Fingerprint of the first body, once content is no longer that body; NULL until then, so that an insert need not
    -- make it. Whatever changes content sets it first: COALESCE(body_hash, fingerprint of the content replaced).
    body_hash  bigint,
    sender_id  text COLLATE "C" NOT NULL,
    sender     text COLLATE "C" NOT NULL,
    client_id  text COLLATE "C",
    content    text NOT NULL,
    words      text[] COLLATE "C" NOT NULL,
    CONSTRAINT messages_pkey PRIMARY KEY (room_id, seq)
);

-- Idempotency: the same (room, author, id) is stored once.
CREATE UNIQUE INDEX messages_client_id ON messages (room_id, sender_id, client_id) WHERE client_id IS NOT NULL;

-- History of one sender, by keyset.
CREATE INDEX messages_sender ON messages (room_id, sender, seq);

-- What changed since: messages that never changed are found by seq, so an insert does not touch this index.
CREATE INDEX messages_changed ON messages (room_id, version) WHERE version <> seq;

-- Search. New words wait in a pending list (fastupdate), which whoever fills it must merge: 1 MB is merged in about
-- 20 ms, the default of 4 MB stops a writer for about 70 ms.
CREATE INDEX messages_words ON messages USING gin (words) WITH (fastupdate = on, gin_pending_list_limit = 1024);

-- One row: the server that may write, or was the last that might. A server that comes back compares.
CREATE TABLE lease (
    id     smallint PRIMARY KEY CHECK (id = 1),
    holder text NOT NULL,
    since  timestamptz NOT NULL
);
