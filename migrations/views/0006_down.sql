-- Takes version 0006 back: the functions as versions 0001 and 0002 made them.
create or replace function inventory_match.record_movement(
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

create or replace function inventory_match.place_reorder(p_id bigint, p_units bigint default null) returns text
language plpgsql security definer set search_path = inventory_match, pg_temp as $$
declare
    held reorder := lock_reorder(p_id);
begin
    if held.state <> 'opened' then
        raise exception 'reorder % is %: only an opened one can be placed', p_id, held.state
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if p_units <= 0 then
        raise exception 'units %: give a number above 0, or null for the proposed %', p_units, held.units
            using errcode = 'check_violation';
    end if;
    update reorder
    set state = 'placed', units = coalesce(p_units, units), placed_at = now(),
        -- Without a lead time nothing is known of the arrival: no date, so nothing is overdue.
        expected_at = now() + make_interval(days => nullif((policy ->> 'lead_time_days')::int, 0))
    where id = p_id;
    return 'placed';
end
$$;

create or replace function inventory_match.cancel_reorder(p_id bigint, p_note text default null) returns text
language plpgsql security definer set search_path = inventory_match, pg_temp as $$
declare
    held reorder := lock_reorder(p_id);
begin
    if held.state not in ('opened', 'placed', 'partly_received') then
        raise exception 'reorder % is % already', p_id, held.state using errcode = 'object_not_in_prerequisite_state';
    end if;
    update reorder
    set evidence = evidence || jsonb_build_object('cancelled', jsonb_build_object('by', session_user, 'note', p_note))
    where id = p_id;
    perform close_reorder(p_id, 'cancelled', p_note);
    return 'cancelled';
end
$$;
