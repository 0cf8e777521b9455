-- Two roles, and what each may do. Safe to run again, by the owner of the schema or a DBA; whoever may not create roles is
-- told, and once a DBA has made them this file grants what is missing.
--   inventory_reader  reads the documented views and asks for similar products; a statement of its ends after 30 s. That is
--                     a default, not protection (a session can SET it), and it holds only for logins as this very role: a
--                     member needs its own. It has no password, so nobody can log in as it before one is set:
--                       alter role inventory_reader password '...';
--                     or, for a person:
--                       create role ann login password '...' in role inventory_reader;
--                       alter role ann set statement_timeout = '30s';
--   inventory_writer  books movements and moves reorders, through functions only. Grant it to a login of another system:
--                       create role till login password '...' in role inventory_writer;

do $$
begin
    if not exists (select from pg_roles where rolname = 'inventory_reader') then
        create role inventory_reader login;
    end if;
    if not exists (select from pg_roles where rolname = 'inventory_writer') then
        create role inventory_writer nologin;
    end if;
    if not exists (
        select from pg_db_role_setting s, unnest(s.setconfig) setting
        where s.setrole = 'inventory_reader'::regrole and s.setdatabase = 0 and setting like 'statement_timeout=%'
    ) then
        alter role inventory_reader set statement_timeout = '30s';
    end if;
exception
    when insufficient_privilege then
        raise notice 'roles inventory_reader and inventory_writer were not made: %; have a DBA run `inventory-match db roles`', sqlerrm;
    when duplicate_object or unique_violation then
        raise notice 'roles inventory_reader and inventory_writer are just being made by someone else';
end
$$;

-- Postgres lets everybody execute a new function; ours are for those named below.
revoke execute on all functions in schema inventory_match from public;

do $$
begin
    if exists (select from pg_roles where rolname = 'inventory_reader') then
        grant usage on schema inventory_match to inventory_reader;
        grant select on
            inventory_match.stock_on_hand,
            inventory_match.low_stock,
            inventory_match.stock_history,
            inventory_match.open_reorders,
            inventory_match.photo_log,
            inventory_match.sighting_log,
            inventory_match.unknown_products,
            inventory_match.webhook_log,
            inventory_match.book_vs_camera,
            inventory_match.encoder_builds,
            inventory_match.review_queue,
            inventory_match.review_log,
            inventory_match.shelf_now,
            inventory_match.planogram_log,
            inventory_match.planogram_compliance,
            inventory_match.planogram_score,
            inventory_match.shelf_gap,
            inventory_match.shelf_share
        to inventory_reader;
        -- The views call effective_policy, and a function in a view needs the right of whoever reads the view.
        grant execute on function
            inventory_match.effective_policy,
            inventory_match.similar_products,
            inventory_match.recommend_products
        to inventory_reader;
    end if;
    if exists (select from pg_roles where rolname = 'inventory_writer') then
        grant usage on schema inventory_match to inventory_writer;
        grant execute on function
            inventory_match.record_movement,
            inventory_match.place_reorder,
            inventory_match.receive_reorder,
            inventory_match.cancel_reorder
        to inventory_writer;
    end if;
end
$$;
