-- name: put
INSERT INTO outbox (stream_key, subject, headers, body)
SELECT stream_key, subject, headers, body
FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[])
    WITH ORDINALITY AS said (stream_key, subject, headers, body, place) ORDER BY place;

-- name: lock_key
SELECT pg_try_advisory_xact_lock(hashtext('outbox:' || $1));

-- name: unpublished_of
SELECT id, subject, headers, body FROM outbox WHERE stream_key = $1 AND published_at IS NULL ORDER BY id LIMIT 200;

-- name: mark_published
UPDATE outbox SET published_at = now() WHERE id = ANY($1::bigint[]);

-- name: left_behind
SELECT stream_key FROM outbox WHERE published_at IS NULL GROUP BY stream_key
HAVING min(created_at) < now() - make_interval(secs => $1) LIMIT 100;

-- name: sweep_published
DELETE FROM outbox WHERE published_at < now() - interval '1 day';
