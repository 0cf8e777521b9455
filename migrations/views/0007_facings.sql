-- What stands where on a shelf, row by row; the places that a camera without fixed regions remembers; several shelf cameras at
-- one location.

-- shelf_rows: which rows of the location the camera sees, its own first row first; empty: rows 1, 2, 3 and so on.
-- places_given: the last number given to a place of the camera. A number is never given twice: a person's answer, and an
-- unknown sighting that waits for one, name their region by it.
alter table inventory_match.camera add column shelf_rows jsonb default '[]' not null;
alter table inventory_match.camera add column places_given bigint default 0 not null;
drop index inventory_match.uq_camera_shelf_location;

-- Where a camera without fixed regions last saw something stand. Who owns it says region_owner, as for a fixed region.
-- seen_at: when something was last seen to stand there.
create table inventory_match.place (
    camera text not null,
    position bigint not null,
    x0 float8 not null,
    y0 float8 not null,
    x1 float8 not null,
    y1 float8 not null,
    seen_at timestamptz not null,
    constraint pk_place primary key (camera, position),
    constraint fk_place_camera foreign key (camera) references inventory_match.camera (camera) on delete cascade
);

-- One row a facing of a settled shelf photo. shelf_row is the location's, counted from the top, place_in_row from the left.
create table inventory_match.shelf_facing (
    photo_id bigint not null,
    position bigint not null,
    store text not null,
    location text not null,
    camera text not null,
    shelf_row bigint not null,
    place_in_row bigint not null,
    x0 float8 not null,
    y0 float8 not null,
    x1 float8 not null,
    y1 float8 not null,
    answer text not null,
    sku text,
    similarity float8,
    captured_at timestamptz not null,
    constraint pk_shelf_facing primary key (photo_id, position),
    constraint fk_shelf_facing_photo_id foreign key (photo_id) references inventory_match.photo (id) on delete cascade,
    constraint ck_shelf_facing_answer check (answer in ('product', 'unknown', 'void', 'not_assessable')),
    constraint ck_shelf_facing_product_has_sku check ((answer = 'product') = (sku is not null)),
    constraint ck_shelf_facing_counted_from_one check (shelf_row >= 1 and place_in_row >= 1)
);
create index ix_shelf_facing_assessed on inventory_match.shelf_facing (camera, shelf_row, captured_at, photo_id)
    where answer <> 'not_assessable';

-- A row that the camera's newest settled photo does not show at all is gone; one that it shows covered is as it was before.
create view inventory_match.shelf_row_view as
select c.store,
       c.location,
       c.camera,
       r.shelf_row,
       seen.photo_id,
       seen.captured_at
from inventory_match.camera c
cross join lateral (
    select f.id
    from inventory_match.photo f
    where f.camera = c.camera and f.store = c.store and f.location = c.location and f.state in ('done', 'empty')
    order by f.captured_at desc, f.id desc
    limit 1
) newest
cross join lateral (
    select distinct g.shelf_row from inventory_match.shelf_facing g where g.photo_id = newest.id
) r
cross join lateral (
    select g.photo_id, g.captured_at
    from inventory_match.shelf_facing g
    where g.camera = c.camera
      and g.shelf_row = r.shelf_row
      and g.answer <> 'not_assessable'
      and g.store = c.store
      and g.location = c.location
    order by g.captured_at desc, g.photo_id desc
    limit 1
) seen
where c.kind = 'shelf' and c.active;

create view inventory_match.shelf_now as
with newest as (
    select distinct on (v.store, v.location, v.shelf_row) v.*
    from inventory_match.shelf_row_view v
    order by v.store, v.location, v.shelf_row, v.captured_at desc, v.camera desc
)
select g.store,
       g.location,
       g.shelf_row,
       g.place_in_row,
       g.sku,
       p.name,
       g.answer,
       g.similarity,
       g.camera,
       g.captured_at,
       now() - g.captured_at as age,
       g.photo_id,
       g.position,
       g.x0,
       g.y0,
       g.x1,
       g.y1
from newest n
join inventory_match.shelf_facing g on g.photo_id = n.photo_id and g.shelf_row = n.shelf_row
left join inventory_match.product p on p.sku = g.sku
order by g.store, g.location, g.shelf_row, g.place_in_row;

-- As in version 0004, and of a camera that finds facings by itself only those at places that it still remembers: what was
-- unknown where nothing stands any more waits for nobody.
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
  and (c.kind is distinct from 'shelf' or c.regions <> '[]' or c.places_given = 0 or exists (
      select from inventory_match.place remembered
      where remembered.camera = f.camera and remembered.position = g.position))
  and (c.kind is distinct from 'shelf' or g.id = (
      select later.id
      from inventory_match.photo f2
      join inventory_match.sighting later on later.photo_id = f2.id and later.position = g.position
      where f2.camera = f.camera and f2.captured_at >= f.captured_at and later.answer <> 'not_assessable'
      order by f2.captured_at desc, f2.id desc
      limit 1))
order by f.captured_at desc, g.photo_id desc, g.position;

comment on view inventory_match.shelf_row_view is
    'Each row of a location as each of its shelf cameras last saw it with something on it to be assessed: in which photo.';
comment on view inventory_match.shelf_now is
    'Every shelf as it was last seen, top to bottom and left to right, one row a facing: per row of the location the newest view of it that could be assessed. Views that overlap are never added up.';
comment on column inventory_match.shelf_now.shelf_row is 'Row of the location, 1 at the top.';
comment on column inventory_match.shelf_now.place_in_row is 'From the left, 1 first; packs stacked on each other follow from the lowest up.';
comment on column inventory_match.shelf_now.answer is
    'product; unknown: something the catalog does not know; void: empty; not_assessable: covered, too dark or too blurred to say.';
comment on column inventory_match.shelf_now.similarity is 'To the nearest reference photo, for a product or an unknown one.';
comment on column inventory_match.shelf_now.captured_at is 'When the photo was taken that this row of the shelf is read from.';
comment on column inventory_match.shelf_now.age is 'now() - captured_at.';
comment on column inventory_match.shelf_now.position is 'The number of the region in its photo, as in sighting_log.';
comment on column inventory_match.shelf_now.x0 is 'Box in fractions of the image: x0, y0 top left; x1, y1 bottom right.';
