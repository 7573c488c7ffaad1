"""The schema that the migrations create, and how to ask a database for its own."""

# One line for each column, index and constraint: every change of the schema is visible here in review.
SCHEMA = {
    "columns": """
accounts.account_id text "C" not null
accounts.username text "C" not null
accounts.look text "C" not null
accounts.name text "C" not null
accounts.role text "C" not null
accounts.email text "C"
accounts.folded_email text "C"
accounts.password text "C" not null
accounts.password_at bigint not null
accounts.version bigint not null
accounts.totp_nonce bytea
accounts.totp_on boolean not null
accounts.totp_step bigint not null
accounts.created_at bigint not null
added_users.user_id text "C" not null
added_users.name text "C" not null
added_users.added_at bigint not null
added_users.changed_at bigint not null
aliases.guest_id text "C" not null
aliases.account_id text "C" not null
aliases.at bigint not null
api_keys.key_id text "C" not null
api_keys.hash bytea not null
api_keys.prefix text "C" not null
api_keys.bot_id text "C" not null
api_keys.name text "C" not null
api_keys.maker_id text "C" not null
api_keys.scope text "C" not null
api_keys.created_at bigint not null
api_keys.until bigint not null
api_keys.used_at bigint not null
audit.number bigint not null
audit.entry_id bigint not null
audit.at bigint not null
audit.action text "C" not null
audit.result text "C" not null
audit.actor text "C" not null
audit.actor_name text "C" not null
audit.target text "C"
audit.target_name text "C"
audit.address text "C" not null
audit.room text "C" not null
audit.detail text "C" not null
guesses.key bytea not null
guesses.network text "C" not null
guesses.failures integer not null
guesses.last_at bigint not null
invite_links.link_id text "C" not null
invite_links.hash bytea not null
invite_links.room_id bigint
invite_links.maker_id text "C" not null
invite_links.created_at bigint not null
invite_links.until bigint not null
invite_links.uses integer not null
invite_links.uses_left integer not null
lease.id smallint not null
lease.holder text not null
lease.since timestamp with time zone not null
lease.epoch text "C"
lease.mark text "C"
lease.token bigint not null
lease.installation uuid
lease.identity text "C"
logins.login_id text "C" not null
logins.account_id text "C" not null
logins.generation integer not null
logins.created_at bigint not null
logins.refreshed_at bigint not null
logins.ends_at bigint not null
logins.by_cookie boolean not null
logins.device text "C" not null
logins.address text "C" not null
members.room_id bigint not null
members.user_id text "C" not null
members.name text "C" not null
members.role text "C"
members.joined_at bigint not null
members.seen_at bigint not null
members.read_seq bigint not null
members.banned_until bigint not null
members.muted_until bigint not null
members.reason text "C" not null
members.stored bigint not null
members.invited_at bigint not null
members.inviter_id text "C" not null
members.inviter text "C" not null
members.account_role text "C" not null
mentions.room_id bigint not null
mentions.name text "C" not null
mentions.seq bigint not null
mentions.sender_id text "C" not null
messages.room_id bigint not null
messages.seq bigint not null
messages.version bigint not null
messages.created_at timestamp with time zone not null
messages.body_hash bigint
messages.sender_id text "C" not null
messages.sender text "C" not null
messages.client_id text "C"
messages.content text not null
messages.words text[] "C" not null
messages.edited_at timestamp with time zone
messages.deleted_at timestamp with time zone
messages.reply_to bigint
messages.mentions text[] "C"
messages.reactions json
messages.pinned_at timestamp with time zone
messages.pinned_by text "C"
messages.words_version smallint not null
messages.alias_of text "C"
network_sanctions.room_id bigint not null
network_sanctions.network text "C" not null
network_sanctions.guest_id text "C" not null
network_sanctions.banned_until bigint not null
network_sanctions.muted_until bigint not null
notices.kind text "C" not null
notices.subject text "C" not null
notices.number bigint not null
notices.at bigint not null
notices.until bigint not null
notices.version bigint not null
notices.deny_until bigint not null
notices.reason text "C" not null
recovery_codes.account_id text "C" not null
recovery_codes.hash bytea not null
reports.report_id text "C" not null
reports.room_id bigint not null
reports.room text "C" not null
reports.seq bigint not null
reports.reporter_id text "C" not null
reports.reporter text "C" not null
reports.reason text "C" not null
reports.sender_id text "C" not null
reports.sender text "C" not null
reports.content text "C" not null
reports.posted_at text "C" not null
reports.created_at bigint not null
reports.state text "C" not null
reports.handler_id text "C" not null
reports.note text "C" not null
reports.handled_at bigint not null
room_work.number bigint not null
room_work.kind text "C" not null
room_work.account_id text "C" not null
room_work.ids text[] "C" not null
room_work.name text "C" not null
room_work.messages boolean not null
room_work.room_id bigint not null
rooms.room_id bigint not null
rooms.name text "C" not null
rooms.created_at timestamp with time zone not null
rooms.deleted_at timestamp with time zone
rooms.kind text "C" not null
rooms.title text "C" not null
rooms.topic text "C" not null
rooms.password text "C"
rooms.slow_mode integer not null
rooms.retention_days integer not null
rooms.folded_name text "C" not null
rooms.folded_title text "C" not null
rooms.oldest_seq bigint not null
rooms.guests text "C" not null
schema_migrations.version integer not null
schema_migrations.name text not null
schema_migrations.checksum text not null
schema_migrations.applied_at timestamp with time zone not null
schema_migrations.additive boolean not null
server_secret.id smallint not null
server_secret.secret bytea
server_secret.replaced_at timestamp with time zone
tickets.hash bytea not null
tickets.kind text "C" not null
tickets.account_id text "C"
tickets.email text "C"
tickets.until bigint not null
user_blocks.user_id text "C" not null
user_blocks.blocked_id text "C" not null
user_blocks.at bigint not null
""",
    "indexes": """
accounts: INDEX btree (account_id) WHERE (role = 'admin'::text)
accounts: UNIQUE btree (account_id)
accounts: UNIQUE btree (folded_email) WHERE (folded_email IS NOT NULL)
accounts: UNIQUE btree (look)
accounts: UNIQUE btree (username)
added_users: UNIQUE btree (user_id)
aliases: INDEX btree (account_id, at)
aliases: UNIQUE btree (guest_id)
api_keys: INDEX btree (maker_id)
api_keys: INDEX btree (until)
api_keys: UNIQUE btree (hash)
api_keys: UNIQUE btree (key_id)
audit: INDEX btree (action, number)
audit: INDEX btree (actor, number)
audit: INDEX btree (at)
audit: INDEX btree (target, number)
audit: UNIQUE btree (entry_id)
audit: UNIQUE btree (number)
guesses: INDEX btree (last_at)
guesses: UNIQUE btree (key, network)
invite_links: INDEX btree (maker_id, created_at)
invite_links: INDEX btree (room_id, created_at)
invite_links: INDEX btree (until)
invite_links: UNIQUE btree (hash)
invite_links: UNIQUE btree (link_id)
lease: UNIQUE btree (id)
logins: INDEX btree (account_id, created_at)
logins: INDEX btree (ends_at)
logins: UNIQUE btree (login_id)
members: INDEX btree (joined_at) WHERE (("left"(user_id, 2) = 'g_'::text) \
AND ((role IS NULL) OR (role = 'member'::text)))
members: INDEX btree (room_id, user_id) WHERE ((role <> 'member'::text) OR (banned_until <> 0) \
OR (muted_until <> 0) OR (invited_at <> 0))
members: INDEX btree (room_id, user_id) WHERE (role IS NOT NULL)
members: INDEX btree (user_id)
members: INDEX btree (user_id, invited_at) WHERE (invited_at <> 0)
members: UNIQUE btree (room_id, user_id)
mentions: UNIQUE btree (room_id, name, seq)
messages: INDEX btree (deleted_at) WHERE ((deleted_at IS NOT NULL) AND (content <> ''::text))
messages: INDEX btree (room_id, sender, seq)
messages: INDEX btree (room_id, seq) WHERE (pinned_at IS NOT NULL)
messages: INDEX btree (room_id, seq) WHERE (words_version < 2)
messages: INDEX btree (room_id, version) WHERE (version <> seq)
messages: INDEX gin (words) WITH (fastupdate='on', gin_pending_list_limit='16384')
messages: UNIQUE btree (room_id, sender_id, client_id) WHERE (client_id IS NOT NULL)
messages: UNIQUE btree (room_id, seq)
network_sanctions: INDEX btree (GREATEST(banned_until, muted_until))
network_sanctions: INDEX btree (guest_id)
network_sanctions: UNIQUE btree (room_id, network, guest_id)
notices: INDEX btree (kind, at) WHERE ((deny_until > 0) AND (kind = ANY (ARRAY['account'::text, 'network'::text])))
notices: INDEX btree (until)
notices: UNIQUE btree (kind, subject)
notices: UNIQUE btree (number)
recovery_codes: UNIQUE btree (account_id, hash)
reports: INDEX btree (handled_at) WHERE (state <> 'open'::text)
reports: INDEX btree (handler_id)
reports: INDEX btree (reporter_id)
reports: INDEX btree (room_id, state, created_at)
reports: INDEX btree (sender_id)
reports: INDEX btree (state, created_at)
reports: UNIQUE btree (report_id)
reports: UNIQUE btree (room_id, seq, reporter_id)
room_work: UNIQUE btree (number)
rooms: INDEX btree (((oldest_seq + (retention_days * '86400000000'::bigint)))) WHERE (retention_days > 0)
rooms: INDEX btree (deleted_at) WHERE (deleted_at IS NOT NULL)
rooms: INDEX btree (folded_name) WHERE ((deleted_at IS NULL) AND (kind = ANY (ARRAY['public'::text, 'private'::text])))
rooms: INDEX btree (name) WHERE ((deleted_at IS NULL) AND (kind = ANY (ARRAY['ephemeral'::text, 'public'::text])))
rooms: INDEX btree (oldest_seq) WHERE (retention_days = 0)
rooms: UNIQUE btree (name) WHERE (deleted_at IS NULL)
rooms: UNIQUE btree (room_id)
schema_migrations: UNIQUE btree (version)
server_secret: UNIQUE btree (id)
tickets: INDEX btree (account_id)
tickets: INDEX btree (until)
tickets: UNIQUE btree (hash)
user_blocks: INDEX btree (blocked_id)
user_blocks: UNIQUE btree (user_id, blocked_id)
""",
    "constraints": """
accounts: PRIMARY KEY (account_id)
added_users: PRIMARY KEY (user_id)
aliases: FOREIGN KEY (account_id) REFERENCES accounts(account_id) ON DELETE CASCADE
aliases: PRIMARY KEY (guest_id)
api_keys: PRIMARY KEY (key_id)
api_keys: UNIQUE (hash)
audit: PRIMARY KEY (number)
audit: UNIQUE (entry_id)
guesses: PRIMARY KEY (key, network)
invite_links: PRIMARY KEY (link_id)
invite_links: UNIQUE (hash)
lease: CHECK ((id = 1))
lease: PRIMARY KEY (id)
logins: FOREIGN KEY (account_id) REFERENCES accounts(account_id) ON DELETE CASCADE
logins: PRIMARY KEY (login_id)
members: PRIMARY KEY (room_id, user_id)
mentions: PRIMARY KEY (room_id, name, seq)
messages: PRIMARY KEY (room_id, seq)
network_sanctions: PRIMARY KEY (room_id, network, guest_id)
notices: PRIMARY KEY (kind, subject)
notices: UNIQUE (number)
recovery_codes: FOREIGN KEY (account_id) REFERENCES accounts(account_id) ON DELETE CASCADE
recovery_codes: PRIMARY KEY (account_id, hash)
reports: PRIMARY KEY (report_id)
reports: UNIQUE (room_id, seq, reporter_id)
room_work: PRIMARY KEY (number)
rooms: PRIMARY KEY (room_id)
schema_migrations: PRIMARY KEY (version)
server_secret: CHECK ((id = 1))
server_secret: PRIMARY KEY (id)
tickets: FOREIGN KEY (account_id) REFERENCES accounts(account_id) ON DELETE CASCADE
tickets: PRIMARY KEY (hash)
user_blocks: PRIMARY KEY (user_id, blocked_id)
""",
    "triggers": """
messages: AFTER DELETE mentions_delete
messages: AFTER INSERT mentions_insert
messages: AFTER UPDATE mentions_update
""",
}
# For every server from 15 to 18: 18 also lists NOT NULL as constraints, which are shown with the columns here.
QUERIES = {
    "columns": b"""
SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
       || coalesce((SELECT ' "' || collname || '"' FROM pg_collation
                    WHERE oid = a.attcollation AND collname <> 'default'), '')
       || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname COLLATE "C", a.attnum""",
    "indexes": b"""
SELECT tablename || ': ' || CASE WHEN indexdef LIKE 'CREATE UNIQUE%' THEN 'UNIQUE ' ELSE 'INDEX ' END
       || split_part(indexdef, ' USING ', 2) COLLATE "C"
FROM pg_indexes WHERE schemaname = 'public' ORDER BY tablename COLLATE "C", 1""",
    "triggers": b"""
SELECT event_object_table || ': ' || action_timing || ' ' || event_manipulation || ' ' || trigger_name COLLATE "C"
FROM information_schema.triggers WHERE trigger_schema = 'public' ORDER BY 1""",
    "constraints": b"""
SELECT conrelid::regclass || ': ' || pg_get_constraintdef(oid) COLLATE "C"
FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1""",
}
