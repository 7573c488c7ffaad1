-- What every server must know of logins, accounts, networks, keys, guests and names: one row for each, its latest state.
--
-- number: servers read what is above the last one they have read. It grows in the order of commits, as it is taken under an
--     advisory lock that lasts until the commit; a sequence alone would show a lower number after a higher one.
-- until: then the row says nothing any more, and is removed.
-- version: access tokens of an older version of the account are refused.
-- deny_until: until when an account is suspended, a network blocked, a name taken; 0 for not.
CREATE SEQUENCE notice_numbers;
CREATE TABLE notices (
    kind       text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    number     bigint NOT NULL UNIQUE,
    at         bigint NOT NULL,
    until      bigint NOT NULL,
    version    bigint NOT NULL,
    deny_until bigint NOT NULL,
    reason     text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX notices_until ON notices (until);
CREATE INDEX notices_denied ON notices (kind, at) WHERE deny_until > 0 AND kind IN ('account', 'network');

-- hash: SHA-256 of the key. prefix: its first characters. A revoked key has no row.
CREATE TABLE api_keys (
    key_id     text COLLATE "C" PRIMARY KEY,
    hash       bytea NOT NULL UNIQUE,
    prefix     text COLLATE "C" NOT NULL,
    bot_id     text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    maker_id   text COLLATE "C" NOT NULL,
    scope      text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    until      bigint NOT NULL,
    used_at    bigint NOT NULL
);
CREATE INDEX api_keys_maker ON api_keys (maker_id);
CREATE INDEX api_keys_until ON api_keys (until);
