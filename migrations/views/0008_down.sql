-- Takes version 0008 back: no planograms, no verdicts, no brands; sighting_log as in version 0002.
drop view inventory_match.shelf_gap;
drop view inventory_match.planogram_score;
drop view inventory_match.planogram_compliance;
drop view inventory_match.planogram_log;
drop view inventory_match.shelf_share;
drop view inventory_match.sighting_log;
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

do $$
begin
    if exists (select from pg_roles where rolname = 'inventory_reader') then
        grant select on inventory_match.sighting_log to inventory_reader;
    end if;
end
$$;

drop index inventory_match.ix_shelf_facing_usual;
drop table inventory_match.shelf_verdict;
drop table inventory_match.planogram_slot;
drop table inventory_match.planogram;
alter table inventory_match.sighting drop column prior;
alter table inventory_match.product drop column brand;
