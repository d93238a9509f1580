-- serves: 7
-- Whether an attempt sent its request a second time: the connection of the first
-- one ended without an answer. NULL if not.
ALTER TABLE attempts ADD COLUMN sent_twice INTEGER;
