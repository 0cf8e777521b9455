-- The small shop behind the SQL examples of README.md. What has an age is dated back from now, all else has fixed times.
set search_path = inventory_match, public;

insert into store (store, name, timezone) values ('mitte', 'Berlin Mitte', 'Europe/Berlin');
insert into location (store, location, name) values ('mitte', 'shelf-1', 'Snacks'), ('mitte', 'backroom', 'Back room');
insert into camera (camera, store, location, kind, key_pattern, regions) values
    ('snacks', 'mitte', 'shelf-1', 'shelf', 'mitte/snacks/', '[[0.05, 0.1, 0.2, 0.9], [0.25, 0.1, 0.4, 0.9], [0.45, 0.1, 0.6, 0.9]]');
insert into product (sku, name, category) values
    ('oat-bar', 'Oat Bar', 'snacks'), ('nut-bar', 'Nut Bar', 'snacks'), ('fig-bar', 'Fig Bar', 'snacks'),
    ('green-tea', 'Green Tea', 'drinks');
insert into policy_rule (settings) values ('{"reorder_point": 3, "clear_point": 6, "target_level": 12}');

insert into encoder (name, arch, sha256, dim, metric, record, thresholds, state) values
    ('shelf-256', 'mobilenet_v3_large', repeat('0', 64), 3, 'cosine', '{}', '{}', 'active');
insert into reference_photo (sku, content_hash, bucket, key, source)
    select sku, sku, 'shelf-photos', 'references/' || sku, 'catalog.csv' from product order by sku;
insert into reference_embedding (encoder_id, reference_id, sku, embedding)
    select 1, r.id, r.sku, v.embedding
    from reference_photo r
    join (values ('oat-bar', '[1, 0, 0]'::halfvec), ('nut-bar', '[0.8, 0.6, 0]'), ('fig-bar', '[0.6, 0.8, 0]'),
                 ('green-tea', '[0, 0, 1]')) v (sku, embedding) using (sku);

insert into stock_watch (store, sku, stage) values
    ('mitte', 'oat-bar', 'low'), ('mitte', 'nut-bar', 'ok'), ('mitte', 'fig-bar', 'ok'), ('mitte', 'green-tea', 'ok');
insert into stock_level (store, location, sku, units, facings, counted_at, seen_at, camera) values
    ('mitte', 'shelf-1', 'oat-bar', 2, 2, now() - interval '12 minutes', now() - interval '12 minutes', 'snacks'),
    ('mitte', 'shelf-1', 'nut-bar', 5, 5, now() - interval '12 minutes', now() - interval '12 minutes', 'snacks'),
    ('mitte', 'backroom', 'nut-bar', 4, 4, now() - interval '26 hours', now() - interval '26 hours', null),
    ('mitte', 'shelf-1', 'fig-bar', 7, 7, now() - interval '12 minutes', now() - interval '12 minutes', 'snacks');

insert into photo (bucket, key, version, etag, source, event_time, captured_at, captured_source, camera, store, location,
                   state, cause, attempts, finished_at) values
    ('shelf-photos', 'mitte/snacks/20260302T080000Z.jpg', 'v1', 'e1', 'event', '2026-03-02 08:00:01Z',
     '2026-03-02 08:00Z', 'key', 'snacks', 'mitte', 'shelf-1', 'done', null, 1, '2026-03-02 08:00:03.5Z'),
    ('shelf-photos', 'mitte/snacks/20260302T090000Z.jpg', 'v2', 'e2', 'event', '2026-03-02 09:00:01Z',
     '2026-03-02 09:00Z', 'key', 'snacks', 'mitte', 'shelf-1', 'done', null, 2, '2026-03-02 09:00:13Z'),
    ('shelf-photos', 'mitte/snacks/20260302T100000Z.jpg', 'v3', 'e3', 'event', '2026-03-02 10:00:01Z',
     '2026-03-02 10:00Z', 'key', 'snacks', 'mitte', 'shelf-1', 'rejected', 'JPEG ends too early', 1, '2026-03-02 10:00:01.8Z');
insert into sighting (photo_id, position, x0, y0, x1, y1, answer, outcome, sku, similarity, margin, rule, candidates, encoder_id) values
    (2, 0, 0.05, 0.1, 0.2, 0.9, 'product', 'matched', 'oat-bar', 0.93, 0.21, 'similarity 0.930 >= 0.700, lead 0.210 >= 0.050',
     '[{"sku": "oat-bar", "similarity": 0.93}, {"sku": "nut-bar", "similarity": 0.72}]', 1),
    (2, 1, 0.25, 0.1, 0.4, 0.9, 'void', null, null, null, null, 'void', '[]', null),
    (2, 2, 0.45, 0.1, 0.6, 0.9, 'unknown', 'ambiguous', null, 0.81, 0.01, 'lead of 0.010 over fig-bar is below 0.050',
     '[{"sku": "nut-bar", "similarity": 0.81}, {"sku": "fig-bar", "similarity": 0.80}]', 1);
insert into shelf_facing
    select g.photo_id, g.position, f.store, f.location, f.camera, 1, g.position + 1, g.x0, g.y0, g.x1, g.y1, g.answer, g.sku,
           g.similarity, f.captured_at
    from sighting g join photo f on f.id = g.photo_id;
update product set brand = case when sku = 'green-tea' then 'Leafy' else 'Crunch' end;
insert into planogram (store, location, name, applied_at, applied_by) values
    ('mitte', 'shelf-1', 'Snacks, week 9', '2026-02-27 17:00Z', 'ann');
insert into planogram_slot (planogram_id, shelf_row, place_in_row, sku, facings) values
    (1, 1, 1, 'oat-bar', 1), (1, 1, 2, 'nut-bar', 1), (1, 1, 3, 'fig-bar', 1);
insert into shelf_verdict (photo_id, number, planogram_id, shelf_row, place_in_row, sku, verdict, seen_answer, seen_sku,
                           seen_row, seen_place, position) values
    (2, 1, 1, 1, 1, 'oat-bar', 'compliant', 'product', 'oat-bar', 1, 1, 0),
    (2, 2, 1, 1, 2, 'nut-bar', 'missing', 'void', null, 1, 2, 1),
    (2, 3, 1, 1, 3, 'fig-bar', 'needs_review', 'unknown', null, 1, 3, 2);

insert into stock_event (idempotency_key, kind, effect, store, location, sku, facings, depth, units, photo_id, observed_at, actor) values
    ('1', 'counted_person', 'moved', 'mitte', 'shelf-1', 'oat-bar', 4, 1, 4, null, '2026-03-02 07:30Z', 'ann'),
    ('2', 'counted_camera', 'kept', 'mitte', 'shelf-1', 'oat-bar', 4, 1, 4, 1, '2026-03-02 08:00Z', 'camera snacks'),
    ('3', 'sold', 'booked', 'mitte', null, 'oat-bar', null, null, -1, null, '2026-03-02 08:40Z', 'till'),
    ('4', 'counted_camera', 'moved', 'mitte', 'shelf-1', 'oat-bar', 2, 1, 2, 2, '2026-03-02 09:00Z', 'camera snacks'),
    ('5', 'received', 'booked', 'mitte', 'backroom', 'green-tea', null, null, 24, null, now() - interval '3 hours', 'dock');
insert into reorder (store, sku, state, units, level, policy, evidence, opened_at, placed_at, expected_at) values
    ('mitte', 'oat-bar', 'placed', 12, 2, '{}', '{}', now() - interval '50 hours', now() - interval '49 hours',
     now() - interval '1 hour');

insert into webhook_endpoint (url) values ('https://erp.example.com/hooks/a-secret-path');
insert into message (id, type, store, sku, data, occurred_at, held) values
    ('msg_1', 'stock.low', 'mitte', 'oat-bar', '{"level": 2}', '2026-03-02 09:00:13Z', false),
    ('msg_2', 'stock.low', 'mitte', 'fig-bar', '{"level": 3}', '2026-03-02 09:10:00Z', true);
insert into delivery (message_id, endpoint_id, state, attempts, delivered_at) values
    ('msg_1', 1, 'delivered', 2, '2026-03-02 09:00:19Z');
insert into delivery_attempt (delivery_id, at, status, duration_ms) values
    (1, '2026-03-02 09:00:14Z', 503, 40), (1, '2026-03-02 09:00:19Z', 204, 35);

insert into encoder (name, arch, sha256, dim, metric, record, thresholds, state) values
    ('shelf-512', 'resnet50', repeat('1', 64), 3, 'euclidean', '{}', '{}', 'building');
insert into reference_embedding (encoder_id, reference_id, sku, embedding)
    select 2, reference_id, sku, embedding from reference_embedding order by reference_id limit 2;

insert into review_answer (photo_id, position, round, sighting_id, verdict, sku, actor, reason, answered_at) values
    (1, 2, 0, 1, 'product', 'fig-bar', 'ann', 'new wrapper', '2026-03-02 08:30Z');
