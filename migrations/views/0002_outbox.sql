-- The outbox. One door for every message, whoever writes it: workers, commands, and reorders moved by plain SQL.

-- Over a store's hourly ceiling an alert is written with `held` and goes to nobody; `flush_digests` tells of it when the
-- hour is over. The lock makes "count, then write" one step, and the time of writing is taken under it: so whatever is
-- dated into an hour is committed before a flush of that hour reads. Lock order: stock_watch, then reorder, then this.
create function inventory_match.lock_ceiling(p_store text) returns void
language sql as $$
    select pg_advisory_xact_lock(hashtextextended('inventory_match.ceiling:' || p_store, 0))
$$;

create function inventory_match.emit_message(
    p_type text,
    p_store text,
    p_sku text,
    p_data jsonb,
    p_occurred_at timestamptz default now()
) returns text
language plpgsql set search_path = inventory_match, pg_temp as $$
declare
    alerts constant text[] := array['stock.low', 'stock.out', 'stock.recovered'];
    ceiling bigint;
    written_at timestamptz;
    over boolean := false;
    new_id text := 'msg_' || replace(gen_random_uuid()::text, '-', '');
begin
    if p_type = any (alerts) then
        select s.alerts_per_hour into ceiling from store s where s.store = p_store;
    end if;
    if ceiling is not null then
        perform lock_ceiling(p_store);
        written_at := clock_timestamp();
        select count(*) >= ceiling into over
        from message m
        where m.store = p_store and m.created_at >= date_trunc('hour', written_at, 'UTC')
          and m.type = any (alerts) and not m.held;
    end if;
    insert into message (id, type, store, sku, data, occurred_at, created_at, held)
    values (new_id, p_type, p_store, p_sku, p_data, p_occurred_at, coalesce(written_at, clock_timestamp()), over);
    if not over then
        insert into delivery (message_id, endpoint_id)
        select new_id, e.id from webhook_endpoint e
        where e.disabled_at is null and (e.event_types = '{}' or p_type = any (e.event_types))
        order by e.id;
    end if;
    return new_id;
end
$$;

create function inventory_match.flush_digests(p_now timestamptz default now()) returns integer
language plpgsql set search_path = inventory_match, pg_temp set timezone = 'UTC' as $$
declare
    this_hour constant timestamptz := date_trunc('hour', p_now);
    waiting text;
    hour record;
    digest text;
    written integer := 0;
begin
    for waiting in
        select distinct m.store from message m
        where m.held and m.digest_id is null and m.created_at < this_hour order by m.store
    loop
        perform lock_ceiling(waiting);
        for hour in
            select date_trunc('hour', m.created_at) as start,
                   array_agg(m.id) as ids,
                   jsonb_agg(jsonb_build_object(
                       'id', m.id, 'type', m.type, 'sku', m.sku, 'name', m.data -> 'name', 'level', m.data -> 'level',
                       'occurred_at', m.occurred_at) order by m.created_at, m.id) as messages
            from message m
            where m.store = waiting and m.held and m.digest_id is null and m.created_at < this_hour
            group by 1 order by 1
        loop
            digest := emit_message(
                'stock.digest', waiting, null,
                jsonb_build_object('store', waiting, 'hour', hour.start, 'messages', hour.messages), p_now);
            update message set digest_id = digest where id = any (hour.ids);
            written := written + 1;
        end loop;
    end loop;
    return written;
end
$$;

comment on function inventory_match.emit_message is
    'Writes a message and a delivery per enabled endpoint that wants its type; held back over the store''s hourly ceiling. Returns its id.';
comment on function inventory_match.flush_digests is
    'One stock.digest per store and finished hour for what the ceiling held back. Returns how many.';
