-- Accounts made here, and what belongs to them. Any server writes these tables, whichever has the rooms.
--
-- Times are Unix microseconds, 0 for never.

CREATE TABLE accounts (
    account_id   text COLLATE "C" PRIMARY KEY,
    username     text COLLATE "C" NOT NULL,
    look         text COLLATE "C" NOT NULL,
    name         text COLLATE "C" NOT NULL,
    role         text COLLATE "C" NOT NULL,
    email        text COLLATE "C",
    folded_email text COLLATE "C",
    password     text COLLATE "C" NOT NULL,
    password_at  bigint NOT NULL,
    version      bigint NOT NULL,
    totp_nonce   bytea,
    totp_on      boolean NOT NULL,
    totp_step    bigint NOT NULL,
    created_at   bigint NOT NULL
);
CREATE UNIQUE INDEX accounts_username ON accounts (username);
CREATE UNIQUE INDEX accounts_look ON accounts (look);
CREATE UNIQUE INDEX accounts_email ON accounts (folded_email) WHERE folded_email IS NOT NULL;
CREATE INDEX accounts_admins ON accounts (account_id) WHERE role = 'admin';

CREATE TABLE logins (
    login_id     text COLLATE "C" PRIMARY KEY,
    account_id   text COLLATE "C" NOT NULL REFERENCES accounts ON DELETE CASCADE,
    generation   integer NOT NULL,
    created_at   bigint NOT NULL,
    refreshed_at bigint NOT NULL,
    ends_at      bigint NOT NULL,
    by_cookie    boolean NOT NULL,
    device       text COLLATE "C" NOT NULL,
    address      text COLLATE "C" NOT NULL
);
CREATE INDEX logins_account ON logins (account_id, created_at);
CREATE INDEX logins_ends ON logins (ends_at);

-- SHA-256 of each code: they have 120 random bits.
CREATE TABLE recovery_codes (
    account_id text COLLATE "C" NOT NULL REFERENCES accounts ON DELETE CASCADE,
    hash       bytea NOT NULL,
    PRIMARY KEY (account_id, hash)
);

-- Secrets in links, for one use. kind: email, reset, or admin, which has no account.
CREATE TABLE tickets (
    hash       bytea PRIMARY KEY,
    kind       text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" REFERENCES accounts ON DELETE CASCADE,
    email      text COLLATE "C",
    until      bigint NOT NULL
);
CREATE INDEX tickets_account ON tickets (account_id);
CREATE INDEX tickets_until ON tickets (until);

-- Failed passwords and codes, and requests to reset a password. key: SHA-256 of the name that was asked for, also of one that
-- no account has. network: '' for all networks together.
CREATE TABLE guesses (
    key      bytea NOT NULL,
    network  text COLLATE "C" NOT NULL,
    failures integer NOT NULL,
    last_at  bigint NOT NULL,
    PRIMARY KEY (key, network)
);
CREATE INDEX guesses_last ON guesses (last_at);

-- Guests that became an account: their messages are its own.
CREATE TABLE aliases (
    guest_id   text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES accounts ON DELETE CASCADE,
    at         bigint NOT NULL
);
CREATE INDEX aliases_account ON aliases (account_id, at);

-- The account that the author of a message, then a guest, has become. No default: the rows are not written.
ALTER TABLE messages ADD COLUMN alias_of text COLLATE "C";

-- Work in all rooms for one account, which the server that has the rooms does. account_id: an account, or the tombstone of one;
-- room_id: all rooms up to this one are done.
CREATE TABLE room_work (
    number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind       text COLLATE "C" NOT NULL,
    account_id text COLLATE "C" NOT NULL,
    ids        text[] COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    messages   boolean NOT NULL,
    room_id    bigint NOT NULL
);

-- room_id: NULL for a link to register.
CREATE TABLE invite_links (
    link_id    text COLLATE "C" PRIMARY KEY,
    hash       bytea NOT NULL UNIQUE,
    room_id    bigint,
    maker_id   text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    until      bigint NOT NULL,
    uses       integer NOT NULL,
    uses_left  integer NOT NULL
);
CREATE INDEX invite_links_room ON invite_links (room_id, created_at);
CREATE INDEX invite_links_maker ON invite_links (maker_id, created_at);
CREATE INDEX invite_links_until ON invite_links (until);
