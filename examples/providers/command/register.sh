#!/bin/sh
# A register of Solotick in an SQLite file: register.sh FILE. It has one row for each
# name, with its texts as a sorted JSON array. The UPDATE names the texts that it
# replaces, so that comparing and writing are one step, and SQLite tells whether it has
# changed a row. What serves the rows as DNS is up to you.
exec sqlite3 -bail -cmd '.timeout 5000' -cmd 'CREATE TEMP TABLE request (body)' \
	-cmd '.import --schema temp --ascii /dev/stdin request' "$1" "
CREATE TABLE IF NOT EXISTS txt (name TEXT PRIMARY KEY, texts TEXT NOT NULL);
CREATE TEMP VIEW asked AS SELECT body ->> 'op' AS op, body ->> 'name' AS name,
  (SELECT json_group_array(value) FROM (SELECT value FROM json_each(body, '$.old.texts') ORDER BY value)) AS old,
  (SELECT json_group_array(value) FROM (SELECT value FROM json_each(body, '$.new') ORDER BY value)) AS new FROM request;
INSERT OR IGNORE INTO txt SELECT name, '[]' FROM asked WHERE op = 'swap';
UPDATE txt SET texts = new FROM asked WHERE txt.name = asked.name AND texts = old AND op = 'swap';
SELECT CASE
  WHEN op = 'load' THEN json_object('outcome', 'ok', 'texts', json(coalesce((SELECT texts FROM txt WHERE name = asked.name), '[]')))
  WHEN changes() = 1 THEN json_object('outcome', 'done')
  ELSE json_object('outcome', 'conflict') END FROM asked;"
