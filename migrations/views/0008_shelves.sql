-- The team's views of shelves as they should be: compliance, its share, gaps, and shares of shelf; and of a sighting also what
-- was known beforehand.

create view inventory_match.planogram_log as
select f.store,
       f.location,
       coalesce(v.shelf_row, v.seen_row) as shelf_row,
       coalesce(v.place_in_row, v.seen_place) as place_in_row,
       v.sku,
       p.name,
       v.verdict,
       case when v.verdict = 'compliant' then 'yes'
            when v.verdict in ('misplaced', 'missing', 'extra') then 'no'
            else v.verdict end as answer,
       v.verdict <> 'extra' and v.seen_answer is not distinct from 'void' as gap,
       v.seen_answer,
       v.seen_sku,
       v.stands_row,
       v.stands_place,
       coalesce(plan.name, 'usual') as expected_by,
       v.planogram_id,
       v.seen_in,
       v.looks,
       f.camera,
       f.captured_at,
       now() - f.captured_at as age,
       v.photo_id,
       v.position
from inventory_match.shelf_verdict v
join inventory_match.photo f on f.id = v.photo_id
join inventory_match.product p on p.sku = v.sku
left join inventory_match.planogram plan on plan.id = v.planogram_id;

-- Of each row of a location the newest view that could be assessed speaks, as in shelf_now.
create view inventory_match.planogram_compliance as
with newest as (
    select photo.id, c.camera
    from inventory_match.camera c
    cross join lateral (
        select f.id
        from inventory_match.photo f
        where f.camera = c.camera and f.store = c.store and f.location = c.location and f.state in ('done', 'empty')
        order by f.captured_at desc, f.id desc
        limit 1
    ) photo
    where c.kind = 'shelf' and c.active
), verdicts as (
    select l.* from newest join inventory_match.planogram_log l on l.photo_id = newest.id
), chosen as (
    select distinct on (store, location, shelf_row) store, location, shelf_row, photo_id
    from verdicts
    group by store, location, shelf_row, photo_id, captured_at, camera
    order by store, location, shelf_row, bool_or(verdict <> 'not_assessable') desc, captured_at desc, camera desc
)
select v.*
from verdicts v
join chosen using (store, location, shelf_row, photo_id)
order by v.store, v.location, v.shelf_row, v.place_in_row, v.verdict = 'extra';

create view inventory_match.planogram_score as
select store,
       location,
       expected_by,
       count(*) filter (where verdict = 'compliant')::float8
           / nullif(count(*) filter (where verdict in ('compliant', 'misplaced', 'missing')), 0) as compliance,
       count(*) filter (where verdict <> 'extra') as eligible,
       count(*) filter (where verdict in ('compliant', 'misplaced', 'missing')) as assessed,
       count(*) filter (where verdict = 'compliant') as compliant,
       count(*) filter (where verdict = 'misplaced') as misplaced,
       count(*) filter (where verdict = 'missing') as missing,
       count(*) filter (where gap) as gaps,
       count(*) filter (where verdict = 'extra') as extra,
       count(*) filter (where verdict = 'needs_review') as needs_review,
       count(*) filter (where verdict = 'not_assessable') as not_assessable,
       min(captured_at) as captured_at
from inventory_match.planogram_compliance
group by store, location, expected_by
order by store, location, expected_by;

create view inventory_match.shelf_gap as
select store,
       location,
       shelf_row,
       place_in_row,
       sku,
       name,
       verdict,
       stands_row,
       stands_place,
       expected_by,
       seen_in,
       looks,
       camera,
       captured_at,
       age,
       photo_id,
       position
from inventory_match.planogram_compliance
where gap
order by store, location, shelf_row, place_in_row;

create view inventory_match.shelf_share as
with facing as (
    select n.store, n.location, n.answer, n.captured_at, n.x1 - n.x0 as width, p.brand, p.category
    from inventory_match.shelf_now n
    left join inventory_match.product p on p.sku = n.sku
), whole as (
    select store,
           location,
           count(*) filter (where answer <> 'void') as eligible,
           count(*) filter (where answer = 'product') as assessed,
           count(*) filter (where answer = 'unknown') as needs_review,
           count(*) filter (where answer = 'not_assessable') as not_assessable,
           sum(width) filter (where answer = 'product') as width,
           min(captured_at) as captured_at
    from facing
    group by store, location
)
select f.store,
       f.location,
       kind.of,
       kind.name,
       count(*) as facings,
       count(*)::float8 / w.assessed as share,
       sum(f.width) / w.width as share_of_width,
       w.eligible,
       w.assessed,
       w.needs_review,
       w.not_assessable,
       w.captured_at
from facing f
join whole w using (store, location)
cross join lateral (values ('brand', f.brand), ('category', f.category)) kind (of, name)
where f.answer = 'product'
group by f.store, f.location, kind.of, kind.name, w.eligible, w.assessed, w.needs_review, w.not_assessable, w.width,
         w.captured_at
order by f.store, f.location, kind.of, facings desc, kind.name;

-- As in version 0002, the second candidate being the best one that was not chosen, and now with what was known beforehand.
create or replace view inventory_match.sighting_log as
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
       rival.found ->> 'sku' as second_sku,
       (rival.found ->> 'similarity')::float8 as second_similarity,
       g.rule,
       g.candidates,
       g.thresholds,
       n.name as encoder,
       g.prior -> 'expected' as expected,
       g.prior ->> 'source' as expected_by,
       (g.prior ->> 'weight')::float8 as expected_weight
from inventory_match.sighting g
join inventory_match.photo f on f.id = g.photo_id
left join inventory_match.product p on p.sku = g.sku
left join inventory_match.encoder n on n.id = g.encoder_id
cross join lateral (
    select case when g.candidates -> 0 ->> 'sku' = coalesce(g.sku, g.candidates -> 0 ->> 'sku') then g.candidates -> 1
                else g.candidates -> 0 end as found
) rival;

comment on view inventory_match.planogram_log is
    'Every settled shelf photo beside what was expected on its shelf when it was judged, one row an expected facing, then each facing too many. Expected is the planogram in force, else what usually stands there.';
comment on column inventory_match.planogram_log.place_in_row is
    'Of the expected facing, counted in facings from the left; of one too many, where it stands.';
comment on column inventory_match.planogram_log.sku is 'The product expected there, or the one that is too many.';
comment on column inventory_match.planogram_log.verdict is
    'compliant; misplaced: it stands elsewhere on this shelf; missing: nowhere on it; extra: too many; needs_review: something unknown stands there; not_assessable: hidden, or nothing was seen where it may stand.';
comment on column inventory_match.planogram_log.answer is
    'Whether it is as it should be: yes, no, needs_review or not_assessable. Only yes and no are assessed.';
comment on column inventory_match.planogram_log.gap is 'It is expected there, and the bare shelf was seen.';
comment on column inventory_match.planogram_log.seen_answer is
    'What was seen in its place: product, unknown, void or not_assessable; null where nothing was.';
comment on column inventory_match.planogram_log.stands_row is 'Where a misplaced product stands instead: row and place as seen.';
comment on column inventory_match.planogram_log.expected_by is
    'Name of the planogram, or usual: learned from this camera''s earlier photos.';
comment on column inventory_match.planogram_log.seen_in is
    'Of what is usual: so many of `looks` earlier photos showed it there. Null where it was planned.';

comment on view inventory_match.planogram_compliance is
    'Every shelf as it is now beside what should stand on it: the rows of planogram_log that speak for it. Of each row of the location the newest view that could be assessed does.';
comment on column inventory_match.planogram_compliance.place_in_row is
    'Of the expected facing, counted in facings from the left; of one too many, where it stands.';
comment on column inventory_match.planogram_compliance.sku is 'The product expected there, or the one that is too many.';
comment on column inventory_match.planogram_compliance.verdict is
    'compliant; misplaced: it stands elsewhere on this shelf; missing: nowhere on it; extra: too many; needs_review: something unknown stands there; not_assessable: hidden, or nothing was seen where it may stand.';
comment on column inventory_match.planogram_compliance.answer is
    'Whether it is as it should be: yes, no, needs_review or not_assessable. Only yes and no are assessed.';
comment on column inventory_match.planogram_compliance.gap is 'It is expected there, and the bare shelf was seen.';
comment on column inventory_match.planogram_compliance.seen_answer is
    'What was seen in its place: product, unknown, void or not_assessable; null where nothing was.';
comment on column inventory_match.planogram_compliance.stands_row is 'Where a misplaced product stands instead: row and place as seen.';
comment on column inventory_match.planogram_compliance.expected_by is
    'Name of the planogram, or usual: learned from this camera''s earlier photos.';
comment on column inventory_match.planogram_compliance.seen_in is
    'Of what is usual: so many of `looks` earlier photos showed it there. Null where it was planned.';

comment on view inventory_match.planogram_score is
    'Compliance of each location in figures: how many facings are expected (eligible), how many could be assessed, and of these how many are as they should be.';
comment on column inventory_match.planogram_score.compliance is
    'compliant / assessed, 0..1; null where nothing could be assessed. Facings too many do not count against it.';
comment on column inventory_match.planogram_score.captured_at is 'Of the oldest photo that it is read from.';

comment on view inventory_match.shelf_gap is
    'Where the bare shelf is seen and something should stand: what to refill. Places that are hidden are not in it.';
comment on column inventory_match.shelf_gap.stands_row is 'Where it stands instead, if it was put back in a wrong place.';
comment on column inventory_match.shelf_gap.looks is 'See planogram_compliance: how sure it is that this is what stands there usually.';

comment on view inventory_match.shelf_share is
    'Share of shelf of each brand and each category at a location, in facings and in width, as it was last seen.';
comment on column inventory_match.shelf_share.of is 'brand or category; a row with neither name is of the products that have none.';
comment on column inventory_match.shelf_share.share is 'Facings of it over all facings that show a known product (assessed).';
comment on column inventory_match.shelf_share.share_of_width is
    'The same by width of the boxes, in fractions of the photo; compare within one camera''s view.';
comment on column inventory_match.shelf_share.eligible is
    'Facings that are not empty: those assessed, those of an unknown product (needs_review), those hidden (not_assessable).';

comment on column inventory_match.sighting_log.second_similarity is 'Of the best candidate that was not chosen.';
comment on column inventory_match.sighting_log.expected is
    'Those of the candidates that were expected on this shelf; null where nothing was known beforehand.';
comment on column inventory_match.sighting_log.expected_by is 'By what they were expected: a planogram, or what is usual there.';
comment on column inventory_match.sighting_log.expected_weight is
    'So much similarity an expected candidate was given in a tie; clear matches and unknown products are decided without.';
