-- What operators ask: when each chore last ran and what it found, and what a photo that is not done is waiting for.

-- One row a chore, written again by each run: nothing here is needed to work, so losing it loses no more than a figure.
-- figures of the sweep: attempts, how often a photo is tried; of the scan, sums of all runs: found, photos that no event had
-- announced; back, photos said to be gone and there.
create table inventory_match.chore (
    chore text not null,
    ran_at timestamptz default now() not null,
    figures jsonb default '{}' not null,
    constraint pk_chore primary key (chore)
);

-- As in version 0002, and now with what the photo is waiting for.
create or replace view inventory_match.photo_log as
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
       f.expired_at,
       case
           when f.state = 'unrouted' then 'a camera that claims its key'
           when f.state = 'needs_review' then 'a person: needs review'
           when f.state = 'dead' then 'a person: all its attempts are used up; `inventory-match photos redrive` gives it new ones'
           when f.state not in ('registered', 'processing') then null
           when f.next_attempt_at <= now() and f.attempts >= (sweep.figures ->> 'attempts')::bigint then
               format('the sweep, to be put down as dead after %s attempts', f.attempts)
           when f.state = 'processing' and f.next_attempt_at > now() then
               format('a worker that has it in hand: %s, lease for another %s', try.now, waits.left)
           when f.state = 'processing' then
               format('another worker since %s: the one that had it did not finish %s in its lease', waits.since, try.now)
           when f.next_attempt_at > now() then
               format('%s in %s, after %s', try.next, waits.left, coalesce(f.cause, 'a failure without a cause'))
           when f.kicked_at is null then format('the sweep, to kick it, since %s', waits.since)
           else format('its turn since %s (kicked %s ago)', waits.since, date_trunc('second', now() - f.kicked_at))
       end as waiting_for
from inventory_match.photo f
left join inventory_match.chore sweep on sweep.chore = 'sweep'
cross join lateral (
    select date_trunc('second', now() - f.next_attempt_at) as since,
           date_trunc('second', f.next_attempt_at - now()) as left
) waits
cross join lateral (
    select format('attempt %s%s', f.attempts, ' of ' || (sweep.figures ->> 'attempts')) as now,
           format('attempt %s%s', f.attempts + 1, ' of ' || (sweep.figures ->> 'attempts')) as next
) try;

comment on column inventory_match.photo_log.waiting_for is
    'Why it is not done, in words: its turn, another attempt and when, a camera, a person. Null where nothing more will happen by itself.';

-- A message that goes is looked for among the digests that others name: by the foreign key, for each one anew. Last, because
-- from here to the end of the transaction no message can be written; see the version's docstring.
create index ix_message_digest_id on inventory_match.message (digest_id) where digest_id is not null;
