-- What the platform is still to be told: written with the change itself, and
-- removed when the broker has it.
CREATE TABLE notices (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id       text COLLATE "C" NOT NULL UNIQUE,
    body     json NOT NULL CONSTRAINT notice_object CHECK (json_typeof(body) = 'object')
);
