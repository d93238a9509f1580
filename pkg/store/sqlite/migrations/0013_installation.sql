-- serves: 7
-- The installation's id, one row. It is stored with the streams on NATS, so that the
-- services of one installation do not take the events of another.
CREATE TABLE installation (
    one INTEGER PRIMARY KEY DEFAULT 1 CONSTRAINT one_row CHECK (one = 1),
    id  TEXT NOT NULL CONSTRAINT id_present CHECK (length(id) > 0)
);
