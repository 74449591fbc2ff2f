-- name: add_page
-- Keep a page once; returns nothing when it is known.
INSERT INTO pages (page, incident, incident_name, ack_epoch, kind, request, requested_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (page) DO NOTHING RETURNING page;

-- name: lock_page
-- One page for a change; waits for whoever has it.
SELECT page FROM pages WHERE page = $1 FOR UPDATE;

-- name: lock_free_pages
-- Those of these pages that nobody else is changing.
SELECT page FROM pages WHERE page = ANY($1::text[]) ORDER BY page FOR UPDATE SKIP LOCKED;

-- name: lock_pages_to_look_at
-- Pages whose time to be looked at has come and that nobody else is changing.
SELECT page FROM pages WHERE look_at <= $1 ORDER BY look_at LIMIT $2 FOR UPDATE SKIP LOCKED;

-- name: pages_with_stops
-- Pages with what holds them back, an acknowledgement before a cancel; a page is only told apart by its kind later.
SELECT p.request, p.look_at, p.undeliverable_at, s.*
FROM pages p
LEFT JOIN LATERAL (
    SELECT s.incident AS stop_incident, s.ack_epoch AS stop_epoch, s.reason, s.at, s.person, s.page AS stop_page,
           s.delivery
    FROM (
        SELECT incident, ack_epoch, reason, at, person, page, delivery, 0 AS kind FROM acks
        UNION ALL
        SELECT incident, ack_epoch, reason, at, NULL, NULL, NULL, 1 FROM tombstones
    ) s
    WHERE s.incident = p.incident AND s.ack_epoch >= p.ack_epoch
    ORDER BY s.kind, s.ack_epoch LIMIT 1
) s ON true
WHERE p.page = ANY($1::text[]);

-- name: deliveries_of
-- All deliveries of these pages, in the order they were started.
SELECT * FROM deliveries WHERE page = ANY($1::text[]) ORDER BY page, position;

-- name: save
-- Write what has changed about pages ($1), and their deliveries ($2), attempts ($3) and new steps ($4) as they are now.
-- Rows come as JSON: a column added later must be nullable, or the code before it could not write.
WITH page AS (
    UPDATE pages p SET look_at = new.look_at, undeliverable_at = new.undeliverable_at
    FROM jsonb_populate_recordset(NULL::pages, $1::jsonb) AS new WHERE p.page = new.page
), delivery AS (
    INSERT INTO deliveries SELECT * FROM jsonb_populate_recordset(NULL::deliveries, $2::jsonb)
    ON CONFLICT (delivery) DO UPDATE SET state = excluded.state, started_at = excluded.started_at,
        changed_at = excluded.changed_at, due_at = excluded.due_at, attempts = excluded.attempts,
        provider = excluded.provider, provider_id = excluded.provider_id, reason = excluded.reason,
        claimed_by = excluded.claimed_by
), attempt AS (
    INSERT INTO attempts SELECT * FROM jsonb_populate_recordset(NULL::attempts, $3::jsonb)
    ON CONFLICT (delivery, number) DO UPDATE SET ended_at = excluded.ended_at, outcome = excluded.outcome,
        reason = excluded.reason, provider_id = excluded.provider_id
)
INSERT INTO steps (delivery, state, at, reason, attempt)
SELECT delivery, state, at, reason, attempt
FROM jsonb_populate_recordset(NULL::steps, $4::jsonb) WITH ORDINALITY ORDER BY ordinality;

-- name: peek_due
-- Which deliveries are due, without a lock.
SELECT d.delivery, d.page, p.incident FROM deliveries d JOIN pages p USING (page)
WHERE d.channel = $1 AND d.due_at <= $2 ORDER BY d.due_at LIMIT $3;

-- name: next_due
-- When the next delivery of a channel is due.
SELECT min(due_at) FROM deliveries WHERE channel = $1 AND due_at IS NOT NULL;

-- name: next_look
-- When the next page wants to be looked at.
SELECT min(look_at) FROM pages WHERE look_at IS NOT NULL;

-- name: release
-- Let the claims of a dead worker lapse.
UPDATE deliveries SET due_at = $2 WHERE claimed_by = $1 AND state = 'sending';

-- name: hold_acks_off
-- Share the incidents' locks until the session gives them back; in order, so that no two wait for each other.
SELECT pg_advisory_lock_shared(hashtextextended('stop:' || incident, 0)) FROM unnest($1::text[]) AS incident;

-- name: let_acks_go
-- Give every session lock back.
SELECT pg_advisory_unlock_all();

-- name: stop_alone
-- Wait until no claim of this incident is between its check and the beginning of its send.
SELECT pg_advisory_xact_lock(hashtextextended('stop:' || $1, 0));

-- name: add_ack
-- The first acknowledgement of an epoch counts.
INSERT INTO acks (incident, ack_epoch, person, page, delivery, reason, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (incident, ack_epoch) DO NOTHING;

-- name: ack_of
-- Who acknowledged this epoch.
SELECT * FROM acks WHERE incident = $1 AND ack_epoch = $2;

-- name: add_tombstone
-- Keep a cancel, also one that overtook what it cancels.
INSERT INTO tombstones (incident, ack_epoch, reason, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (incident, ack_epoch) DO NOTHING;

-- name: hasten_stopped
-- Deliveries that wait for an attempt they will not get are looked at now, and so cancelled with a receipt.
WITH stopped AS (
    SELECT page FROM pages WHERE incident = $1 AND ack_epoch <= $2 AND kind = 'page' ORDER BY page FOR UPDATE
)
UPDATE deliveries SET due_at = $3
WHERE page IN (SELECT page FROM stopped) AND state IN ('queued', 'unknown', 'failed_transient');

-- name: newest_epoch
-- The highest ack epoch an incident has paged in: an older link no longer stands for the incident.
SELECT coalesce(max(ack_epoch), -1) FROM pages WHERE incident = $1;

-- name: stop_of
-- What stops an epoch, an acknowledgement before a cancel.
SELECT incident, ack_epoch, reason, at, person, page, delivery FROM (
    SELECT incident, ack_epoch, reason, at, person, page, delivery, 0 AS kind FROM acks
    UNION ALL
    SELECT incident, ack_epoch, reason, at, NULL, NULL, NULL, 1 FROM tombstones
) s WHERE incident = $1 AND ack_epoch >= $2 ORDER BY kind, ack_epoch LIMIT 1;

-- name: page_of
-- Which page a delivery belongs to.
SELECT page FROM deliveries WHERE delivery = $1;

-- name: attempts_of
-- Every send of a page.
SELECT a.* FROM attempts a JOIN deliveries d USING (delivery) WHERE d.page = $1 ORDER BY a.delivery, a.number;

-- name: steps_of
-- Every state the deliveries of a page have entered, in order.
SELECT s.delivery, s.state, s.at, s.reason, s.attempt FROM steps s JOIN deliveries d USING (delivery)
WHERE d.page = $1 ORDER BY s.delivery, s.id;

-- name: newest_pages
-- The newest pages, of one incident (id or name) or of all.
SELECT page FROM pages WHERE $1::text IS NULL OR incident = $1 OR incident_name = $1
ORDER BY requested_at DESC, page LIMIT $2;
