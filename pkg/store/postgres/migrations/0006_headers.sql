-- The headers that a webhook's owner adds to each request: sealed, bound to the
-- webhook's id. NULL without any.
ALTER TABLE webhooks ADD COLUMN headers bytea CONSTRAINT headers_present CHECK (octet_length(headers) > 0);

-- The names of those that a request had, between spaces, for the log to show
-- with masks for values. NULL without any.
ALTER TABLE attempts ADD COLUMN header_names text;
