-- A reorder's moves in SQL, the only way there is: the command line calls these too. They keep to `REORDER_MOVES` of
-- domain/reorder.py (a test compares). Locks are taken as the workers take them: the watch first, then the reorder.

create function inventory_match.lock_reorder(p_id bigint) returns inventory_match.reorder
language plpgsql set search_path = inventory_match, pg_temp as $$
declare
    found_one reorder;
begin
    select * into found_one from reorder where id = p_id;
    if found_one.id is null then
        raise exception 'reorder % does not exist; the view open_reorders lists those that are open', p_id
            using errcode = 'no_data_found';
    end if;
    insert into stock_watch (store, sku) values (found_one.store, found_one.sku) on conflict do nothing;
    perform from stock_watch where store = found_one.store and sku = found_one.sku for update;
    select * into found_one from reorder where id = p_id for update;
    return found_one;
end
$$;

create function inventory_match.close_reorder(p_id bigint, p_state text, p_note text) returns void
language plpgsql set search_path = inventory_match, pg_temp set timezone = 'UTC' as $$
declare
    closed reorder;
begin
    update reorder set state = p_state, closed_at = now() where id = p_id returning * into closed;
    perform emit_message('reorder.closed', closed.store, closed.sku, jsonb_build_object(
        'store', closed.store,
        'sku', closed.sku,
        'name', (select p.name from product p where p.sku = closed.sku),
        'reorder', jsonb_build_object(
            'id', closed.id, 'state', closed.state, 'units', closed.units, 'received_units', closed.received_units,
            'opened_at', closed.opened_at, 'closed_at', closed.closed_at),
        'note', p_note));
end
$$;

create function inventory_match.place_reorder(p_id bigint, p_units bigint default null) returns text
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

create function inventory_match.receive_reorder(
    p_id bigint,
    p_units bigint,
    p_location text default null,
    p_receipt text default null
) returns text
language plpgsql security definer set search_path = inventory_match, pg_temp as $$
declare
    held reorder := lock_reorder(p_id);
    key constant text := 'reorder:' || p_id || ':' || coalesce('receipt ' || p_receipt, 'after ' || held.received_units);
begin
    if p_receipt is not null and exists (select from stock_event where idempotency_key = 'movement:' || key) then
        return held.state;
    end if;
    if held.state not in ('placed', 'partly_received') then
        raise exception 'reorder % is %: only a placed or partly received one can be received', p_id, held.state
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if p_units is null or p_units <= 0 then
        raise exception 'units %: give the number that arrived, above 0', p_units using errcode = 'check_violation';
    end if;
    perform record_movement(
        held.store, held.sku, 'received', p_units, p_location,
        p_idempotency_key => key, p_note => concat_ws(', ', 'reorder ' || p_id, 'receipt ' || p_receipt));
    update reorder set state = 'partly_received', received_units = received_units + p_units where id = p_id;
    if held.received_units + p_units < held.units then
        return 'partly_received';
    end if;
    perform close_reorder(p_id, 'received', null);
    return 'received';
end
$$;

create function inventory_match.cancel_reorder(p_id bigint, p_note text default null) returns text
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

comment on function inventory_match.place_reorder is
    'opened -> placed, with other units if given; expected after the policy''s lead time, where it has one. Returns the state.';
comment on function inventory_match.receive_reorder is
    'Books what arrived on a placed reorder; received when all of it did. The same receipt (number of a delivery note) twice is booked once. Returns the state.';
comment on function inventory_match.cancel_reorder is 'Ends an open reorder; what arrived on it stays booked. Returns the state.';
comment on function inventory_match.record_movement is
    'Books a movement: received, sold (positive units) or adjusted (signed). The same idempotency key twice is one movement. Returns the ledger row''s id.';
comment on function inventory_match.effective_policy is
    'The stock policy of a product in a store: default < category < store < store and category < product < store and product, key by key.';
