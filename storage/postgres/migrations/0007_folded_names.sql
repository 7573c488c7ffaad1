-- Whether a room that stays has a name that differs by case or width alone, when another one is to be made.
CREATE INDEX rooms_folded ON rooms (folded_name) WHERE deleted_at IS NULL AND kind IN ('public', 'private');
