-- Guests in rooms, by how long ago they joined: those who never came back are removed. Not by when they were last there,
-- which would make each leaving of anybody write all indexes.
CREATE INDEX members_guests ON members (joined_at) WHERE left(user_id, 2) = 'g_' AND (role IS NULL OR role = 'member');
