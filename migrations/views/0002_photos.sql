-- The team's views of photos, of what was seen on them, and of the webhooks that told of it.

create view inventory_match.photo_log as
select f.id,
       f.bucket,
       f.key,
       f.version,
       f.state,
       f.cause,
       f.attempts,
       now() - f.event_time as age,
       f.store,
       f.location,
       f.camera,
       f.captured_at,
       f.captured_source,
       f.clock_ahead,
       f.event_time as uploaded_at,
       f.registered_at,
       case when f.state in ('registered', 'processing') then f.next_attempt_at end as next_attempt_at,
       f.finished_at,
       extract(epoch from f.finished_at - f.event_time)::float8 as seconds,
       f.width,
       f.height,
       f.quality,
       f.source,
       f.expired_at
from inventory_match.photo f;

create view inventory_match.sighting_log as
select g.id,
       f.store,
       f.location,
       f.camera,
       f.captured_at,
       f.key as photo_key,
       g.photo_id,
       g.position,
       g.x0,
       g.y0,
       g.x1,
       g.y1,
       g.answer,
       g.outcome,
       g.sku,
       p.name,
       g.similarity,
       g.margin,
       g.candidates -> 1 ->> 'sku' as second_sku,
       (g.candidates -> 1 ->> 'similarity')::float8 as second_similarity,
       g.rule,
       g.candidates,
       g.thresholds,
       n.name as encoder
from inventory_match.sighting g
join inventory_match.photo f on f.id = g.photo_id
left join inventory_match.product p on p.sku = g.sku
left join inventory_match.encoder n on n.id = g.encoder_id;

-- A region of a shelf camera is explained by any later look at the same region, so the newest one that could be assessed
-- speaks for it. Photos of a product camera have nothing in common: each stays until a person deals with it.
create view inventory_match.unknown_products as
select f.store,
       f.location,
       f.camera,
       f.captured_at,
       now() - f.captured_at as age,
       f.key as photo_key,
       g.photo_id,
       g.id as sighting_id,
       g.position,
       g.x0,
       g.y0,
       g.x1,
       g.y1,
       g.outcome,
       g.candidates -> 0 ->> 'sku' as best_guess,
       p.name as best_guess_name,
       g.similarity,
       g.margin,
       g.rule
from inventory_match.sighting g
join inventory_match.photo f on f.id = g.photo_id
left join inventory_match.camera c on c.camera = f.camera
left join inventory_match.product p on p.sku = g.candidates -> 0 ->> 'sku'
where g.answer = 'unknown'
  and (c.kind is distinct from 'shelf' or g.id = (
      select later.id
      from inventory_match.photo f2
      join inventory_match.sighting later on later.photo_id = f2.id and later.position = g.position
      where f2.camera = f.camera and f2.captured_at >= f.captured_at and later.answer <> 'not_assessable'
      order by f2.captured_at desc, f2.id desc
      limit 1))
order by f.captured_at desc, g.photo_id desc, g.position;

-- An endpoint's path, query and user part may carry its receiver's secret: only the origin is shown, and errors that
-- quote the address are cut the same way.
create view inventory_match.webhook_log as
select m.id as message_id,
       m.type,
       m.store,
       m.sku,
       case when d.id is not null then d.state
            when m.digest_id is not null then 'in digest'
            when m.held then 'held'
            else 'no endpoint' end as state,
       d.endpoint_id,
       address.origin as endpoint,
       coalesce(d.attempts, 0) as attempts,
       tried.status as last_status,
       replace(replace(tried.error, e.url, address.origin), address.rest, '/…') as last_error,
       tried.at as last_attempt_at,
       case when d.state = 'pending' then d.next_attempt_at end as next_attempt_at,
       d.delivered_at,
       m.held,
       m.digest_id,
       m.occurred_at,
       m.created_at,
       m.data
from inventory_match.message m
left join inventory_match.delivery d on d.message_id = m.id
left join inventory_match.webhook_endpoint e on e.id = d.endpoint_id
left join lateral (
    select part[1] || part[2] as origin, case when length(part[3]) > 1 then part[3] else '' end as rest
    from regexp_match(e.url, '^([A-Za-z]+://)(?:[^/?#]*@)?([^/?#@]*)(.*)$') part
) address on true
left join lateral (
    select a.status, a.error, a.at from inventory_match.delivery_attempt a
    where a.delivery_id = d.id order by a.id desc limit 1
) tried on true;

comment on view inventory_match.photo_log is
    'Every photo that was ever announced or scanned: its state and cause, attempts, and how long it took.';
comment on column inventory_match.photo_log.version is 'The S3 version id, or the ETag where the bucket keeps no versions.';
comment on column inventory_match.photo_log.state is
    'Waiting: registered, processing, unrouted (no camera claims the key). At rest: done, empty, rejected, needs_review, superseded, dead.';
comment on column inventory_match.photo_log.cause is 'Why it rests where it rests, or why the last attempt failed.';
comment on column inventory_match.photo_log.age is 'Time since the upload.';
comment on column inventory_match.photo_log.captured_at is 'When it was taken, as far as it is believed.';
comment on column inventory_match.photo_log.captured_source is 'Where captured_at comes from: key, exif or event.';
comment on column inventory_match.photo_log.clock_ahead is 'The camera''s clock was too far ahead, so captured_at is the upload''s time.';
comment on column inventory_match.photo_log.uploaded_at is 'When S3 says it was uploaded.';
comment on column inventory_match.photo_log.seconds is 'From the upload until it came to rest.';
comment on column inventory_match.photo_log.source is 'What made it known: an event, or a scan of the bucket.';
comment on column inventory_match.photo_log.expired_at is 'When retention deleted the picture; this row stays.';

comment on view inventory_match.sighting_log is
    'Every region of every photo: what it was found to be, and all it takes to replay the decision.';
comment on column inventory_match.sighting_log.x0 is 'Box in fractions of the image: x0, y0 top left; x1, y1 bottom right.';
comment on column inventory_match.sighting_log.answer is 'product, unknown, void (empty shelf) or not_assessable (covered, blurred).';
comment on column inventory_match.sighting_log.outcome is 'matched, ambiguous or unknown; null where the catalog was not asked.';
comment on column inventory_match.sighting_log.similarity is 'Of the best candidate; higher is nearer, 1 is the same vector.';
comment on column inventory_match.sighting_log.margin is 'Lead of the best candidate over the second.';
comment on column inventory_match.sighting_log.rule is 'The rule that decided, in words.';
comment on column inventory_match.sighting_log.candidates is 'Best first, with similarities.';
comment on column inventory_match.sighting_log.thresholds is 'The thresholds it was decided with.';
comment on column inventory_match.sighting_log.encoder is 'Name of the encoder that made the vector.';

comment on view inventory_match.unknown_products is
    'What stands there and is not known, newest first: regions whose newest look found no clear match, and product photos without one.';
comment on column inventory_match.unknown_products.outcome is 'ambiguous: two candidates too close to each other; unknown: nothing similar enough.';
comment on column inventory_match.unknown_products.best_guess is 'The nearest product, not near or not clear enough to be believed.';
comment on column inventory_match.unknown_products.rule is 'Why it was not believed.';

comment on view inventory_match.webhook_log is
    'Every message and, per endpoint, its delivery: state, attempts, the last answer, the next attempt.';
comment on column inventory_match.webhook_log.state is
    'pending, delivered, failed (schedule used up) or cancelled; held and in digest: over the hourly ceiling; no endpoint: nobody listened.';
comment on column inventory_match.webhook_log.endpoint is 'Scheme, host and port only: the rest of an address may be a secret.';
comment on column inventory_match.webhook_log.last_status is 'HTTP status of the last attempt; null where none came back.';
comment on column inventory_match.webhook_log.held is 'Over the store''s alerts_per_hour: not sent by itself, but in the digest digest_id.';
