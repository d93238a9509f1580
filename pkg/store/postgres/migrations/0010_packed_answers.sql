-- serves: 7
-- The content encodings that the body of an answer is kept in, because they could
-- not be undone, as in a Content-Encoding header. NULL for a body that is as it
-- was meant.
ALTER TABLE attempts ADD COLUMN response_encoding text;

-- Whether an answer had more headers than are kept. NULL if not.
ALTER TABLE attempts ADD COLUMN response_header_truncated boolean;
