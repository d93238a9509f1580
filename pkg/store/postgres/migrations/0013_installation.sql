-- serves: 7
-- The installation's id, one row. It is stored with the streams on NATS, so that the
-- services of one installation do not take the events of another.
CREATE TABLE installation (
    one boolean PRIMARY KEY DEFAULT true CONSTRAINT one_row CHECK (one),
    id  text COLLATE "C" NOT NULL CONSTRAINT id_present CHECK (octet_length(id) > 0)
);
