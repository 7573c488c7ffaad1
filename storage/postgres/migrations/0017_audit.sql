-- Who did what to whom. Rows are only added, and removed by their age; when an account is deleted, its tombstone takes its place.
--
-- entry_id: made by the caller, so that a repeated write adds nothing.
-- detail: without names and addresses.
CREATE TABLE audit (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id    bigint NOT NULL UNIQUE,
    at          bigint NOT NULL,
    action      text COLLATE "C" NOT NULL,
    result      text COLLATE "C" NOT NULL,
    actor       text COLLATE "C" NOT NULL,
    actor_name  text COLLATE "C" NOT NULL,
    target      text COLLATE "C",
    target_name text COLLATE "C",
    address     text COLLATE "C" NOT NULL,
    room        text COLLATE "C" NOT NULL,
    detail      text COLLATE "C" NOT NULL
);
CREATE INDEX audit_actor ON audit (actor, number);
CREATE INDEX audit_target ON audit (target, number);
CREATE INDEX audit_action ON audit (action, number);
CREATE INDEX audit_at ON audit (at);
