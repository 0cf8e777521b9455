-- Takes version 0004 back: what people answered is forgotten, the reference photos their answers made stay.
drop view inventory_match.review_queue;
drop view inventory_match.review_log;

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
  and (c.kind is distinct from 'shelf' or g.id = (
      select later.id
      from inventory_match.photo f2
      join inventory_match.sighting later on later.photo_id = f2.id and later.position = g.position
      where f2.camera = f.camera and f2.captured_at >= f.captured_at and later.answer <> 'not_assessable'
      order by f2.captured_at desc, f2.id desc
      limit 1))
order by f.captured_at desc, g.photo_id desc, g.position;

drop view inventory_match.review_standing;
drop table inventory_match.review_answer;
drop function inventory_match.refuse_review_change;
