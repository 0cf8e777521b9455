-- Takes version 0002 back. The roles stay: they belong to the whole cluster, and people may log in through them.
drop function inventory_match.recommend_products;
drop function inventory_match.similar_products;
drop function inventory_match.nearest_products;
drop function inventory_match.cancel_reorder;
drop function inventory_match.receive_reorder;
drop function inventory_match.place_reorder;
drop function inventory_match.close_reorder;
drop function inventory_match.lock_reorder;
drop function inventory_match.flush_digests;
drop function inventory_match.emit_message;
drop function inventory_match.lock_ceiling;
drop view inventory_match.webhook_log;
drop view inventory_match.unknown_products;
drop view inventory_match.sighting_log;
drop view inventory_match.photo_log;
drop view inventory_match.stock_history;
drop view inventory_match.open_reorders;
drop view inventory_match.book_vs_camera;
drop view inventory_match.low_stock;
comment on view inventory_match.stock_on_hand is null;
comment on view inventory_match.book_level is null;
do $$
begin
    if exists (select from pg_roles where rolname = 'inventory_reader') then
        revoke all on inventory_match.stock_on_hand from inventory_reader;
        revoke all on function inventory_match.effective_policy from inventory_reader;
        revoke usage on schema inventory_match from inventory_reader;
    end if;
    if exists (select from pg_roles where rolname = 'inventory_writer') then
        revoke all on function inventory_match.record_movement from inventory_writer;
        revoke usage on schema inventory_match from inventory_writer;
    end if;
end
$$;
