-- name: alone_in
-- Whoever works on a scope has it alone until the transaction ends.
SELECT pg_advisory_xact_lock(1, hashtext($1));

-- name: alone_with_name
-- Nobody else takes a name that begins like this one until the transaction ends.
SELECT pg_advisory_xact_lock(2, hashtext($1));

-- name: names_like
-- Names that are the base ($1) or begin with it and a hyphen; a base has no % or _ to be escaped.
SELECT name FROM incidents WHERE name = $1 OR name LIKE $1 || '-%';

-- name: whole_incidents
-- Incidents as one JSON document each; $1 = ids.
SELECT to_jsonb(i)
    || jsonb_build_object(
        'breaches', (SELECT coalesce(jsonb_agg(to_jsonb(b) ORDER BY b.changed_at, b.source, b.rule, b."check",
                                               b.location), '[]') FROM breaches b WHERE b.incident = i.id),
        'pages', (SELECT coalesce(jsonb_agg(to_jsonb(p) ORDER BY p.requested_at, p.kind, p.ack_epoch, p.round,
                                            p.rung, p.id), '[]') FROM pages p WHERE p.incident = i.id),
        'answers', (SELECT coalesce(jsonb_agg(to_jsonb(a) ORDER BY a.at, a.question), '[]')
                    FROM answers a WHERE a.incident = i.id),
        'due', (SELECT coalesce(jsonb_agg(to_jsonb(d) ORDER BY d.at, d.kind, d.subject), '[]')
                FROM due d WHERE d.incident = i.id)) AS whole
FROM incidents i WHERE i.id = ANY($1::text[]) ORDER BY i.opened_at DESC, i.id DESC;

-- name: lock_incident
-- Lock one incident.
SELECT id FROM incidents WHERE id = $1 FOR UPDATE;

-- name: lock_open_incidents
-- Lock the incidents of a service ($1) or silent location ($2; the other is null) that are not resolved, of one symptom
-- ($3) or of all (null).
SELECT id FROM incidents
WHERE (location = $2 OR (location IS NULL AND service = $1))
    AND stage IN ('alert', 'assessment', 'response', 'resolution')
    AND ($3::text IS NULL OR symptom = $3)
ORDER BY id FOR UPDATE;

-- name: newest_breach
-- What is known of a key.
SELECT to_jsonb(b) AS breach FROM breaches b
WHERE source = $1 AND service = $2 AND rule = $3 AND "check" = $4 AND location = $5
ORDER BY rev DESC LIMIT 1;

-- name: open_breaches
-- What a source ($1) holds open of a service ($2) or silent location ($3; the other is null).
SELECT to_jsonb(b) AS breach FROM breaches b
WHERE source = $1 AND is_open AND ((service = $2 AND "check" <> '') OR (location = $3 AND "check" = ''));

-- name: keep_incident
-- Write one incident ($1) and what belongs to it: pages ($2; what was asked for never changes, what is proven does),
-- answers ($3) and those taken back ($4), due work ($5) and what is no longer due ($6), new entries of its timeline ($7).
WITH incident AS (
    INSERT INTO incidents SELECT (jsonb_populate_record(NULL::incidents, $1::jsonb)).*
    ON CONFLICT (id) DO UPDATE SET
        severity = EXCLUDED.severity, stage = EXCLUDED.stage, stage_entered_at = EXCLUDED.stage_entered_at,
        stage_due_at = EXCLUDED.stage_due_at, closed_at = EXCLUDED.closed_at, summary = EXCLUDED.summary,
        runbook = EXCLUDED.runbook, acknowledged_by = EXCLUDED.acknowledged_by,
        acknowledged_at = EXCLUDED.acknowledged_at, ack_epoch = EXCLUDED.ack_epoch, round = EXCLUDED.round,
        rung = EXCLUDED.rung, rounds_left = EXCLUDED.rounds_left, paging_severity = EXCLUDED.paging_severity,
        is_exhausted = EXCLUDED.is_exhausted, messages_sent = EXCLUDED.messages_sent, sequence = EXCLUDED.sequence,
        timeline_length = EXCLUDED.timeline_length, timeline_hash = EXCLUDED.timeline_hash, watch = EXCLUDED.watch
), page AS (
    INSERT INTO pages SELECT * FROM jsonb_populate_recordset(NULL::pages, $2::jsonb)
    ON CONFLICT (id) DO UPDATE SET
        issue = EXCLUDED.issue, state = EXCLUDED.state, handed_over_at = EXCLUDED.handed_over_at,
        is_undeliverable = EXCLUDED.is_undeliverable
), answer AS (
    INSERT INTO answers SELECT * FROM jsonb_populate_recordset(NULL::answers, $3::jsonb)
    ON CONFLICT (incident, stage, question) DO UPDATE SET answer = EXCLUDED.answer, by = EXCLUDED.by, at = EXCLUDED.at
), taken_back AS (
    DELETE FROM answers a USING jsonb_populate_recordset(NULL::answers, $4::jsonb) AS gone
    WHERE (a.incident, a.stage, a.question) = (gone.incident, gone.stage, gone.question)
), planned AS (
    INSERT INTO due SELECT * FROM jsonb_populate_recordset(NULL::due, $5::jsonb)
    ON CONFLICT (incident, kind, subject) DO UPDATE SET at = EXCLUDED.at, awaits_open_set = EXCLUDED.awaits_open_set
), done AS (
    DELETE FROM due d USING jsonb_populate_recordset(NULL::due, $6::jsonb) AS gone
    WHERE (d.incident, d.kind, d.subject) = (gone.incident, gone.kind, gone.subject)
)
INSERT INTO timeline SELECT * FROM jsonb_populate_recordset(NULL::timeline, $7::jsonb);

-- name: put_breaches
-- Write breaches out of a JSON array.
INSERT INTO breaches SELECT * FROM jsonb_populate_recordset(NULL::breaches, $1::jsonb)
ON CONFLICT (source, service, rule, "check", location, incident) DO UPDATE SET
    rev = EXCLUDED.rev, is_open = EXCLUDED.is_open, stated = EXCLUDED.stated, absent_as_of = EXCLUDED.absent_as_of,
    ended = EXCLUDED.ended, changed_at = EXCLUDED.changed_at;

-- name: timeline
-- One incident's whole timeline.
SELECT incident, sequence, at, kind, text, actor, hash FROM timeline WHERE incident = $1 ORDER BY sequence;

-- name: locate
-- An incident by id or name.
SELECT id, service, location FROM incidents WHERE id = $1 OR name = $1;

-- name: newest
-- Ids, newest first; $1 = open, closed or all.
SELECT id FROM incidents WHERE $1 = 'all' OR (stage = 'closed') = ($1 = 'closed')
ORDER BY opened_at DESC, id DESC LIMIT $2;

-- name: due_incidents
-- Incidents with due work, the longest overdue first.
SELECT i.id, i.service, i.location FROM due d JOIN incidents i ON i.id = d.incident WHERE d.at <= $1
GROUP BY i.id ORDER BY min(d.at), i.id LIMIT $2;

-- name: next_due_at
-- When the next work is due.
SELECT min(at) FROM due;

-- name: hear
-- Remember a source's newest open set.
INSERT INTO sources (source, as_of, at) VALUES ($1, $2, $3)
ON CONFLICT (source) DO UPDATE SET as_of = EXCLUDED.as_of, at = EXCLUDED.at WHERE sources.as_of <= EXCLUDED.as_of;

-- name: heard
-- A source's last open set.
SELECT as_of, at FROM sources WHERE source = $1;

-- name: held_by
-- Services and silent locations of which a source holds something open; one of the two columns is null.
SELECT DISTINCT CASE WHEN "check" <> '' THEN service END AS service, CASE WHEN "check" = '' THEN location END AS location
FROM breaches WHERE source = $1 AND is_open;

-- name: busy
-- Services and silent locations with an incident that is not resolved and concerns one of some services ($1).
SELECT DISTINCT service, location FROM incidents i
WHERE stage IN ('alert', 'assessment', 'response', 'resolution')
    AND (service = ANY($1::text[])
         OR (location IS NOT NULL
             AND EXISTS (SELECT FROM breaches b WHERE b.incident = i.id AND b.service = ANY($1::text[]))));
