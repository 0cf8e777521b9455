-- Takes version 0005 back: photo_log as in version 0002, and the chores' figures forgotten.
drop view inventory_match.photo_log;
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

do $$
begin
    if exists (select from pg_roles where rolname = 'inventory_reader') then
        grant select on inventory_match.photo_log to inventory_reader;
    end if;
end
$$;
drop index inventory_match.ix_message_digest_id;
drop table inventory_match.chore;
