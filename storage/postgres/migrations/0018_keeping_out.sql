-- What keeps guests out of rooms; users who do not want to hear of others; and reports of messages.

-- Whether guests may talk, read, or do neither: talk, read, no.
ALTER TABLE rooms ADD COLUMN guests text COLLATE "C" NOT NULL DEFAULT 'talk';

-- Bans and mutes of all guests of a network, written by the server that has the rooms. guest_id: whose ban or mute it follows.
CREATE TABLE network_sanctions (
    room_id      bigint NOT NULL,
    network      text COLLATE "C" NOT NULL,
    guest_id     text COLLATE "C" NOT NULL,
    banned_until bigint NOT NULL,
    muted_until  bigint NOT NULL,
    PRIMARY KEY (room_id, network, guest_id)
);
CREATE INDEX network_sanctions_guest ON network_sanctions (guest_id);
CREATE INDEX network_sanctions_until ON network_sanctions (GREATEST(banned_until, muted_until));

CREATE TABLE user_blocks (
    user_id    text COLLATE "C" NOT NULL,
    blocked_id text COLLATE "C" NOT NULL,
    at         bigint NOT NULL,
    PRIMARY KEY (user_id, blocked_id)
);
CREATE INDEX user_blocks_blocked ON user_blocks (blocked_id);

-- sender, content, posted_at: of the message as it was. state: open, resolved, dismissed.
CREATE TABLE reports (
    report_id   text COLLATE "C" PRIMARY KEY,
    room_id     bigint NOT NULL,
    room        text COLLATE "C" NOT NULL,
    seq         bigint NOT NULL,
    reporter_id text COLLATE "C" NOT NULL,
    reporter    text COLLATE "C" NOT NULL,
    reason      text COLLATE "C" NOT NULL,
    sender_id   text COLLATE "C" NOT NULL,
    sender      text COLLATE "C" NOT NULL,
    content     text COLLATE "C" NOT NULL,
    posted_at   text COLLATE "C" NOT NULL,
    created_at  bigint NOT NULL,
    state       text COLLATE "C" NOT NULL,
    handler_id  text COLLATE "C" NOT NULL,
    note        text COLLATE "C" NOT NULL,
    handled_at  bigint NOT NULL,
    UNIQUE (room_id, seq, reporter_id)
);
CREATE INDEX reports_queue ON reports (state, created_at);
CREATE INDEX reports_room ON reports (room_id, state, created_at);
CREATE INDEX reports_reporter ON reports (reporter_id);
CREATE INDEX reports_sender ON reports (sender_id);
CREATE INDEX reports_handler ON reports (handler_id);
CREATE INDEX reports_handled ON reports (handled_at) WHERE state <> 'open';
