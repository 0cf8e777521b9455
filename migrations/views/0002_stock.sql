-- The team's views of stock: what is there, what runs low, what was ordered, and how the ledger came to say so.
-- Flat joins and lookups only, so that a condition on store and sku reaches the indexes below.

create view inventory_match.low_stock as
select h.store,
       h.sku,
       h.name,
       h.category,
       h.level,
       h.stage,
       (h.policy ->> 'reorder_point')::bigint as reorder_point,
       (h.policy ->> 'clear_point')::bigint as clear_point,
       (h.policy ->> 'target_level')::bigint as target_level,
       r.id as reorder_id,
       r.state as reorder_state,
       coalesce((h.policy ->> 'snooze_until')::timestamptz > now(), false) as snoozed,
       h.age,
       h.level_source
from inventory_match.stock_on_hand h
left join inventory_match.product p on p.sku = h.sku
left join inventory_match.reorder r
    on r.store = h.store and r.sku = h.sku and r.state in ('opened', 'placed', 'partly_received')
where p.retired_at is null
  and (h.level <= (h.policy ->> 'reorder_point')::bigint or h.stage in ('low', 'out'));

create view inventory_match.book_vs_camera as
select h.store,
       h.sku,
       h.name,
       h.camera_units,
       h.book_units,
       h.camera_units - h.book_units as difference,
       h.camera_as_of,
       h.book_as_of,
       h.camera_as_of - h.book_as_of as apart,
       h.level_source
from inventory_match.stock_on_hand h
where h.camera_units is not null and h.book_units is not null;

create view inventory_match.open_reorders as
select r.id,
       r.store,
       r.sku,
       p.name,
       r.state,
       r.units,
       r.received_units,
       case when r.state = 'opened' then 0 else greatest(r.units - r.received_units, 0) end as on_order,
       r.level as level_when_opened,
       h.level as level_now,
       r.opened_at,
       now() - r.opened_at as age,
       r.placed_at,
       r.expected_at,
       coalesce(r.expected_at < now(), false) as overdue
from inventory_match.reorder r
join inventory_match.product p on p.sku = r.sku
left join lateral (
    select s.level from inventory_match.stock_on_hand s where s.store = r.store and s.sku = r.sku limit 1
) h on true
where r.state in ('opened', 'placed', 'partly_received');

create view inventory_match.stock_history as
select e.id,
       e.store,
       e.location,
       e.sku,
       p.name,
       e.kind,
       e.effect,
       e.units,
       e.facings,
       e.depth,
       e.observed_at at time zone coalesce(s.timezone, 'UTC') as local_time,
       e.observed_at,
       e.recorded_at,
       e.actor,
       f.key as photo_key,
       e.photo_id,
       e.note
from inventory_match.stock_event e
left join inventory_match.product p on p.sku = e.sku
left join inventory_match.store s on s.store = e.store
left join inventory_match.photo f on f.id = e.photo_id;

comment on view inventory_match.book_level is
    'Book units per product and store: the last count by a person at each location, plus the movements after it.';

comment on view inventory_match.stock_on_hand is
    'One row per product and store of which anything is known: the level that decides, which source it comes from, and how old what it says is.';
comment on column inventory_match.stock_on_hand.level is
    'Units that decide, by level_source; summed over locations. Null: that source knows nothing yet, which is not the same as 0.';
comment on column inventory_match.stock_on_hand.level_source is
    'camera or book: the policy''s level_source; by default camera where a shelf camera watches the product, else book.';
comment on column inventory_match.stock_on_hand.stage is
    'ok, low or out: how bad it has been since the level was last at its clear point.';
comment on column inventory_match.stock_on_hand.counted_at is 'When the level was last confirmed by a count, or moved by the books.';
comment on column inventory_match.stock_on_hand.seen_at is
    'Newest observation of the location that was looked at longest ago: everything said here is at least this fresh.';
comment on column inventory_match.stock_on_hand.age is 'now() - seen_at: how old what this row says is.';
comment on column inventory_match.stock_on_hand.camera_units is 'Units counted at the locations (shelf cameras, and people where no camera looks).';
comment on column inventory_match.stock_on_hand.camera_as_of is 'Time of the oldest of the newest counts of its locations.';
comment on column inventory_match.stock_on_hand.book_units is 'Units by the books: counts by people plus movements (view book_level).';
comment on column inventory_match.stock_on_hand.book_as_of is 'Time of the last entry that book_units contains.';
comment on column inventory_match.stock_on_hand.policy is 'The merged stock policy of this product in this store.';

comment on view inventory_match.low_stock is
    'Active products at or below their reorder point, or not yet back at their clear point since they were, with the reorder that is open for them.';
comment on column inventory_match.low_stock.stage is 'low or out; ok where the reorder point is reached but not yet judged, or snoozed.';
comment on column inventory_match.low_stock.clear_point is 'The alert re-arms when the level reaches this.';
comment on column inventory_match.low_stock.target_level is 'A reorder fills up to this, in whole packs.';
comment on column inventory_match.low_stock.reorder_id is 'The open reorder, null where none is open.';
comment on column inventory_match.low_stock.snoozed is 'True while the policy''s snooze_until lies ahead: no alert, no reorder.';
comment on column inventory_match.low_stock.age is 'How old the level is.';

comment on view inventory_match.book_vs_camera is
    'Where both the cameras and the books know a product: how far they are apart, with the time each speaks of.';
comment on column inventory_match.book_vs_camera.difference is 'camera_units - book_units: negative where less stands there than the books say.';
comment on column inventory_match.book_vs_camera.camera_as_of is 'Time of the oldest of the newest counts of its locations.';
comment on column inventory_match.book_vs_camera.book_as_of is 'Time of the last entry that book_units contains.';
comment on column inventory_match.book_vs_camera.apart is 'camera_as_of - book_as_of: a difference between far apart times may be mere sales.';

comment on view inventory_match.open_reorders is
    'Reorders that are opened, placed or partly received. Move them with place_reorder, receive_reorder and cancel_reorder.';
comment on column inventory_match.open_reorders.on_order is 'Units placed and not received yet; 0 until the reorder is placed.';
comment on column inventory_match.open_reorders.level_when_opened is 'The level that opened it.';
comment on column inventory_match.open_reorders.level_now is 'The level as stock_on_hand has it now.';
comment on column inventory_match.open_reorders.age is 'Time since it was opened.';
comment on column inventory_match.open_reorders.expected_at is 'Opened or, once placed, placed plus the policy''s lead time; null where it has none.';
comment on column inventory_match.open_reorders.overdue is 'True where expected_at is past.';

comment on view inventory_match.stock_history is
    'The append-only ledger, readable: every count and movement, and what it did to the level.';
comment on column inventory_match.stock_history.kind is 'counted_camera, counted_person, received, sold or adjusted.';
comment on column inventory_match.stock_history.effect is
    'moved: set the level; kept: agreed with it; awaiting: waits for confirmation; late: older than what was known; booked: a movement.';
comment on column inventory_match.stock_history.units is 'Of a count: units that were there (facings x depth). Of a movement: units that came (positive) or went (negative).';
comment on column inventory_match.stock_history.local_time is 'observed_at on the store''s own clock.';
comment on column inventory_match.stock_history.observed_at is 'When it was so: for a camera, when the photo was taken.';
comment on column inventory_match.stock_history.recorded_at is 'When the row was written.';
comment on column inventory_match.stock_history.actor is 'The camera, command or database login that wrote it.';
comment on column inventory_match.stock_history.photo_key is 'S3 key of the photo that was counted; null for people and movements, or where retention removed it.';
