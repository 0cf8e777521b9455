-- What the database itself guarantees, and the functions and views that workers and analysts share.

-- The ledger is append-only, for the owner too; corrections are reversing rows.
create function inventory_match.refuse_change() returns trigger
language plpgsql as $$
begin
    raise exception 'stock_event is append-only: % is refused; write a reversing event instead', tg_op
        using errcode = 'restrict_violation';
end
$$;
create trigger stock_event_no_change before update or delete on inventory_match.stock_event
    for each row execute function inventory_match.refuse_change();
create trigger stock_event_no_truncate before truncate on inventory_match.stock_event
    for each statement execute function inventory_match.refuse_change();
alter table inventory_match.stock_event enable always trigger stock_event_no_change;
alter table inventory_match.stock_event enable always trigger stock_event_no_truncate;

-- The stock policy of a product in a store: rules merged key by key, the more specific one winning. Views call it, and a
-- function in a view runs with the rights of whoever reads the view: hence `security definer`.
create function inventory_match.effective_policy(p_store text, p_sku text) returns jsonb
language sql stable security definer set search_path = inventory_match, pg_temp as $$
    select coalesce(jsonb_object_agg(entry.key, entry.value order by rank), '{}')
    from (
        select r.settings,
               (r.sku is not null)::int * 4 + (r.store is not null)::int * 2 + (r.category is not null)::int as rank
        from policy_rule r
        where (r.store is null or r.store = p_store)
          and (r.sku is null or r.sku = p_sku)
          and (r.category is null or r.category = (select p.category from product p where p.sku = p_sku))
    ) rule, jsonb_each(rule.settings) entry
$$;

-- Book units per product and store: each location's last count by a person, plus the movements after it. A movement that
-- names no location (a till does not know the shelf) counts if it is later than every person's count in that store.
-- Every part is grouped by store and sku first, so that a condition on them reaches the ledger's indexes.
create view inventory_match.book_level as
select store, sku, sum(units)::bigint as units, max(observed_at) as as_of
from (
    (select distinct on (c.store, c.sku, c.location) c.store, c.sku, c.units, c.observed_at
    from inventory_match.stock_event c
    where c.kind = 'counted_person' and c.effect <> 'late'
    order by c.store, c.sku, c.location, c.observed_at desc, c.id desc)
    union all
    select e.store, e.sku, e.units, e.observed_at
    from inventory_match.stock_event e
    left join (
        select c.store, c.sku, c.location, max(c.observed_at) as at
        from inventory_match.stock_event c
        where c.kind = 'counted_person' and c.effect <> 'late'
        group by c.store, c.sku, c.location
    ) here on here.store = e.store and here.sku = e.sku and here.location = e.location
    left join (
        select c.store, c.sku, max(c.observed_at) as at
        from inventory_match.stock_event c
        where c.kind = 'counted_person' and c.effect <> 'late'
        group by c.store, c.sku
    ) anywhere on anywhere.store = e.store and anywhere.sku = e.sku
    where e.effect = 'booked'
      and e.observed_at > coalesce(case when e.location is null then anywhere.at else here.at end, '-infinity')
) entry
group by store, sku;

-- One row per product and store of which anything is known: what cameras say, what the books say, and which one decides.
-- The level is null where the source that decides knows nothing yet: not known is not sold out. `limit 1` and `offset 0`
-- change no row: they keep each part a lookup of its own, done once per row asked for, whatever the view is joined with.
create view inventory_match.stock_on_hand as
select w.store,
       w.sku,
       p.name,
       p.category,
       case how.source when 'camera' then seen.units else book.units end as level,
       how.source as level_source,
       w.stage,
       case how.source when 'camera' then seen.counted_at else book.as_of end as counted_at,
       case how.source when 'camera' then seen.seen_at else book.as_of end as seen_at,
       now() - case how.source when 'camera' then seen.seen_at else book.as_of end as age,
       seen.units as camera_units,
       seen.seen_at as camera_as_of,
       book.units as book_units,
       book.as_of as book_as_of,
       how.policy
from inventory_match.stock_watch w
left join inventory_match.product p on p.sku = w.sku
left join lateral (
    select sum(l.units)::bigint as units,
           max(l.counted_at) as counted_at,
           min(l.seen_at) as seen_at,
           bool_or(l.camera is not null) as by_camera
    from inventory_match.stock_level l
    where l.store = w.store and l.sku = w.sku
) seen on true
left join lateral (
    select b.units, b.as_of from inventory_match.book_level b where b.store = w.store and b.sku = w.sku limit 1
) book on true
cross join lateral (
    select rules.policy,
           coalesce(rules.policy ->> 'level_source', case when seen.by_camera then 'camera' else 'book' end) as source
    from (select inventory_match.effective_policy(w.store, w.sku) as policy offset 0) rules
) how;

-- The one door for book movements in SQL. Units are positive for 'received' and 'sold', signed for 'adjusted'. The same
-- idempotency key twice is the same movement: the first one's id comes back.
create function inventory_match.record_movement(
    p_store text,
    p_sku text,
    p_kind text,
    p_units bigint,
    p_location text default null,
    p_observed_at timestamptz default now(),
    p_idempotency_key text default gen_random_uuid()::text,
    p_note text default null
) returns bigint
language plpgsql security definer set search_path = inventory_match, pg_temp as $$
declare
    signed bigint := case when p_kind = 'sold' then -p_units else p_units end;
    written bigint;
begin
    if p_kind is null or p_kind not in ('received', 'sold', 'adjusted') then
        raise exception 'kind %: use received, sold or adjusted', p_kind using errcode = 'check_violation';
    end if;
    if p_units is null or p_units = 0 or (p_kind <> 'adjusted' and p_units < 0) then
        raise exception 'units %: give a number above 0 (adjusted: any but 0)', p_units using errcode = 'check_violation';
    end if;
    if not exists (select from product where sku = p_sku) then
        raise exception 'sku % is not in the catalog', p_sku using errcode = 'foreign_key_violation';
    end if;
    if not exists (select from store where store = p_store) then
        raise exception 'store % does not exist', p_store using errcode = 'foreign_key_violation';
    end if;
    if p_location is not null
       and not exists (select from location where store = p_store and location = p_location) then
        raise exception 'location % does not exist in store %', p_location, p_store using errcode = 'foreign_key_violation';
    end if;
    if p_observed_at > now() + interval '5 minutes' then
        raise exception 'observed_at % lies in the future', p_observed_at using errcode = 'check_violation';
    end if;
    insert into stock_event (idempotency_key, kind, effect, store, location, sku, units, observed_at, actor, note)
    values ('movement:' || p_idempotency_key, p_kind, 'booked', p_store, p_location, p_sku, signed,
            coalesce(p_observed_at, now()), session_user, p_note)
    on conflict (idempotency_key) do nothing
    returning id into written;
    if written is null then
        select id into written from stock_event where idempotency_key = 'movement:' || p_idempotency_key;
        return written;
    end if;
    insert into stock_watch (store, sku, dirty) values (p_store, p_sku, true)
    on conflict (store, sku) do update set dirty = true;
    return written;
end
$$;
revoke all on function inventory_match.record_movement from public;
