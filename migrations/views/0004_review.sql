-- What people answered where the catalog could not: append-only, one standing answer a region of a photo.

-- A region is named by photo and position, because a photo seen again gets new sightings; `sighting_id` is the one that was
-- looked at. No foreign key to what retention or a second look replaces. `round` counts how often the region's answer was
-- taken back: two people who answer at once write the same round, and the second one is refused.
create table inventory_match.review_answer (
    id bigint generated always as identity,
    photo_id bigint not null,
    position bigint not null,
    round bigint not null,
    sighting_id bigint not null,
    verdict text not null,
    sku text,
    reference_id bigint,
    group_of bigint,
    undoes bigint,
    forced boolean default false not null,
    actor text not null,
    reason text,
    answered_at timestamptz default now() not null,
    constraint pk_review_answer primary key (id),
    constraint ck_review_answer_verdict check (verdict in ('product', 'none', 'undone')),
    constraint ck_review_answer_product_has_sku check ((verdict = 'product') = (sku is not null)),
    constraint ck_review_answer_reference check (reference_id is null or verdict = 'product'),
    constraint ck_review_answer_undone check ((verdict = 'undone') = (undoes is not null)),
    constraint fk_review_answer_sku foreign key (sku) references inventory_match.product (sku),
    constraint fk_review_answer_undoes foreign key (undoes) references inventory_match.review_answer (id)
);
create unique index uq_review_answer_standing on inventory_match.review_answer (photo_id, position, round)
    where verdict <> 'undone';
create unique index uq_review_answer_undoes on inventory_match.review_answer (undoes);
create index ix_review_answer_group_of on inventory_match.review_answer (group_of);
create index ix_review_answer_reference_id on inventory_match.review_answer (reference_id);

create function inventory_match.refuse_review_change() returns trigger
language plpgsql as $$
begin
    raise exception 'review_answer is append-only: % is refused; `inventory-match review undo` takes an answer back', tg_op
        using errcode = 'restrict_violation';
end
$$;
create trigger review_answer_no_change before update or delete on inventory_match.review_answer
    for each row execute function inventory_match.refuse_review_change();
create trigger review_answer_no_truncate before truncate on inventory_match.review_answer
    for each statement execute function inventory_match.refuse_review_change();
alter table inventory_match.review_answer enable always trigger review_answer_no_change;
alter table inventory_match.review_answer enable always trigger review_answer_no_truncate;

create view inventory_match.review_standing as
select a.*
from inventory_match.review_answer a
where a.verdict <> 'undone'
  and not exists (select from inventory_match.review_answer u where u.undoes = a.id);

-- As in version 0002, and now without what a person has answered.
create or replace view inventory_match.unknown_products as
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
  and not exists (
      select from inventory_match.review_standing answered
      where answered.photo_id = g.photo_id and answered.position = g.position)
  and (c.kind is distinct from 'shelf' or g.id = (
      select later.id
      from inventory_match.photo f2
      join inventory_match.sighting later on later.photo_id = f2.id and later.position = g.position
      where f2.camera = f.camera and f2.captured_at >= f.captured_at and later.answer <> 'not_assessable'
      order by f2.captured_at desc, f2.id desc
      limit 1))
order by f.captured_at desc, g.photo_id desc, g.position;

create view inventory_match.review_queue as
select u.sighting_id,
       u.outcome,
       u.store,
       u.location,
       u.camera,
       u.captured_at,
       u.age,
       u.best_guess,
       u.best_guess_name,
       u.similarity,
       g.candidates -> 1 ->> 'sku' as second_guess,
       u.margin,
       u.rule,
       u.photo_id,
       u.photo_key,
       u.position,
       u.x0,
       u.y0,
       u.x1,
       u.y1,
       n.name as encoder
from inventory_match.unknown_products u
join inventory_match.sighting g on g.id = u.sighting_id
join inventory_match.photo f on f.id = u.photo_id and f.expired_at is null
left join inventory_match.encoder n on n.id = g.encoder_id
order by u.outcome, case when u.outcome = 'ambiguous' then u.margin end, u.captured_at desc, u.sighting_id desc;

create view inventory_match.review_log as
select a.id,
       a.answered_at,
       a.actor,
       a.verdict,
       a.sku,
       p.name,
       a.reason,
       a.forced,
       a.verdict <> 'undone' and u.id is null as stands,
       u.answered_at as undone_at,
       u.actor as undone_by,
       f.store,
       f.location,
       f.camera,
       f.key as photo_key,
       a.photo_id,
       a.position,
       a.sighting_id,
       a.group_of,
       a.undoes,
       r.id as reference_id,
       r.key as reference_key
from inventory_match.review_answer a
left join inventory_match.review_answer u on u.undoes = a.id
left join inventory_match.photo f on f.id = a.photo_id
left join inventory_match.product p on p.sku = a.sku
left join inventory_match.reference_photo r on r.id = a.reference_id
order by a.id desc;

comment on view inventory_match.review_standing is
    'The answers of people that stand: not taken back. One at most for a region of a photo.';
comment on view inventory_match.review_queue is
    'What people may answer: ambiguous sightings, closest call first, then unknown ones, newest first. `inventory-match review` also groups look-alikes.';
comment on column inventory_match.review_queue.outcome is 'ambiguous: two candidates too close to each other; unknown: nothing similar enough.';
comment on column inventory_match.review_queue.margin is 'Lead of the best guess over the second; the smaller, the more an answer teaches.';
comment on column inventory_match.review_queue.rule is 'Why it was not decided.';
comment on column inventory_match.review_queue.x0 is 'Box in fractions of the image: x0, y0 top left; x1, y1 bottom right.';
comment on view inventory_match.review_log is
    'Every answer of a person and every answer taken back, newest first: who, when, why, and the reference photo it made.';
comment on column inventory_match.review_log.verdict is 'product (sku says which), none (no product, or never to be used), undone (takes the answer `undoes` back).';
comment on column inventory_match.review_log.forced is 'The crop looks more like another product, and the person insisted.';
comment on column inventory_match.review_log.group_of is 'The sighting that stood for its look-alikes, where one answer was given for all of them.';
comment on column inventory_match.review_log.reference_id is 'The reference photo made of the crop, while it is there.';
