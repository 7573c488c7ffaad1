-- Messages that change: when their author last edited them, and when they were deleted. A deleted message keeps its
-- place and, for an audit, its content; no query for people gives that out, and no search finds it.

ALTER TABLE messages
    ADD COLUMN edited_at timestamptz,
    ADD COLUMN deleted_at timestamptz;
