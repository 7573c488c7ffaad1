-- What somebody's account was when the row was last stored, where that ranks in rooms ('admin', 'organizer'), else ''.
ALTER TABLE members ADD COLUMN account_role text COLLATE "C" NOT NULL DEFAULT '';
