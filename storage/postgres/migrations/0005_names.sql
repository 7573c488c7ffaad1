-- Names and titles have single spaces now, and are compared without joiners and selectors (model.text).

-- A room keeps its older name where the new one is taken.
DO $$
DECLARE room record;
BEGIN
    FOR room IN SELECT room_id, name FROM rooms WHERE deleted_at IS NULL AND name LIKE '%  %' ORDER BY room_id LOOP
        BEGIN
            UPDATE rooms SET
                name = regexp_replace(name, ' {2,}', ' ', 'g'),
                folded_name = regexp_replace(folded_name, ' {2,}', ' ', 'g')
            WHERE room_id = room.room_id;
        EXCEPTION WHEN unique_violation THEN
            RAISE NOTICE 'room % keeps its name', room.room_id;
        END;
    END LOOP;
END $$;

UPDATE rooms SET folded_title = regexp_replace(regexp_replace(folded_title, '[\u200c\u200d\ufe0e\ufe0f]', '', 'g'), ' {2,}', ' ', 'g')
WHERE folded_title ~ '[\u200c\u200d\ufe0e\ufe0f]|  ';
