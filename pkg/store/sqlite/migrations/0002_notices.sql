-- What the platform is still to be told: written with the change itself, and
-- removed when the broker has it.
CREATE TABLE notices (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    body     TEXT NOT NULL CONSTRAINT notice_object CHECK (json_type(body) = 'object')
) STRICT;
