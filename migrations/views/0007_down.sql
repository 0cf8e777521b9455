-- Takes version 0007 back: no facings, no places, one shelf camera a location, unknown_products as in version 0004.
do $$
declare
    shared record;
begin
    select store, location, string_agg(camera, ', ' order by camera) as cameras into shared
    from inventory_match.camera where kind = 'shelf' and active
    group by store, location having count(*) > 1 order by store, location limit 1;
    if found then
        raise exception 'location %/% has several shelf cameras (%), which version 0006 cannot count',
            shared.store, shared.location, shared.cameras
            using hint = 'apply a site file that gives each shelf camera a location of its own, then go down';
    end if;
end
$$;

drop view inventory_match.shelf_now;
drop view inventory_match.shelf_row_view;
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

drop table inventory_match.shelf_facing;
-- Numbers of places mean nothing to version 0006, which knows such a camera's whole photo as its region 0.
delete from inventory_match.region_owner o using inventory_match.camera c
where c.camera = o.camera and c.kind = 'shelf' and c.regions = '[]';
drop table inventory_match.place;
create unique index uq_camera_shelf_location on inventory_match.camera (store, location) where kind = 'shelf' and active;
alter table inventory_match.camera drop column places_given;
alter table inventory_match.camera drop column shelf_rows;
