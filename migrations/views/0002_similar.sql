-- Similar products, by the vectors of the active encoder alone: vectors of two encoders have nothing to say to each other.
-- Exact on purpose: an approximate index would lose rows to the filters on assortment and stock.

-- The products nearest to any of these, best pair of reference photos speaking for a product. The nearest are walked in
-- order and asked for their stock one by one until k are found, so a store's stock is not computed for all of it.
create function inventory_match.nearest_products(p_skus text[], p_store text, p_k integer)
returns table (sku text, name text, category text, similarity double precision, level bigint)
language plpgsql stable set search_path = inventory_match, public, pg_temp as $$
#variable_conflict use_column
declare
    basket constant text[] := array_remove(p_skus, null);
    active encoder;
    missing text;
begin
    select string_agg(wanted, ', ') into missing
    from unnest(basket) wanted where not exists (select from product where sku = wanted);
    if missing is not null then
        raise exception 'not in the catalog: %', missing using errcode = 'no_data_found';
    end if;
    if p_store is not null and not exists (select from store where store = p_store) then
        raise exception 'store % does not exist', p_store using errcode = 'no_data_found';
    end if;
    if p_k is null or p_k < 1 then
        raise exception 'k is %: give 1 or more', p_k using errcode = 'invalid_parameter_value';
    end if;
    select * into active from encoder where state = 'active';
    return query
    select p.sku, p.name, p.category, near.similarity, stock.level
    from (
        select c.sku,
               max(case active.metric
                   when 'cosine' then 1 - (c.embedding <=> q.embedding)
                   else 1 / (1 + (c.embedding <-> q.embedding)) end) as similarity
        from reference_embedding q
        join reference_embedding c on c.encoder_id = active.id and c.sku <> all (basket)
        join product p on p.sku = c.sku and p.retired_at is null
        where q.encoder_id = active.id
          and q.sku = any (basket)
          and (p_store is null
               or (select s.assortment_all from store s where s.store = p_store)
               or exists (select from assortment a where a.store = p_store and a.sku = c.sku))
        group by c.sku
        order by similarity desc, c.sku
    ) near
    join product p on p.sku = near.sku
    left join lateral (
        select h.level from stock_on_hand h where h.store = p_store and h.sku = near.sku and h.level > 0 limit 1
    ) stock on true
    where p_store is null or stock.level is not null
    order by near.similarity desc, near.sku
    limit p_k;
end
$$;

create function inventory_match.similar_products(p_sku text, p_k integer default 5, p_store text default null)
returns table (sku text, name text, category text, similarity double precision, level bigint)
language plpgsql stable security definer set search_path = inventory_match, public, pg_temp as $$
begin
    if p_sku is null then
        raise exception 'p_sku is null: name a product' using errcode = 'null_value_not_allowed';
    end if;
    return query select * from nearest_products(array[p_sku], p_store, p_k);
end
$$;

create function inventory_match.recommend_products(p_skus text[], p_store text, p_k integer default 5)
returns table (sku text, name text, category text, similarity double precision, level bigint)
language plpgsql stable security definer set search_path = inventory_match, public, pg_temp as $$
begin
    if p_store is null or coalesce(cardinality(array_remove(p_skus, null)), 0) = 0 then
        raise exception 'give at least one sku, and the store' using errcode = 'null_value_not_allowed';
    end if;
    return query select * from nearest_products(p_skus, p_store, p_k);
end
$$;

-- The extension may live elsewhere than in public; these functions must find its operators there and nowhere else.
do $$
declare
    home text := (select n.nspname from pg_extension x join pg_namespace n on n.oid = x.extnamespace where x.extname = 'vector');
    each_one regprocedure;
begin
    foreach each_one in array array[
        'inventory_match.nearest_products(text[], text, integer)',
        'inventory_match.similar_products(text, integer, text)',
        'inventory_match.recommend_products(text[], text, integer)']::regprocedure[]
    loop
        execute format('alter function %s set search_path = inventory_match, %I, pg_temp', each_one, home);
    end loop;
end
$$;

comment on function inventory_match.similar_products is
    'The k active products that look most like this one; with a store, only those of its assortment that are in stock there (level is theirs). Similarity: cosine, or 1 / (1 + distance) for a Euclidean encoder. No rows where the product has no vector by the active encoder.';
comment on function inventory_match.recommend_products is
    'The k products in stock in the store that look most like any one of these (not like their average: a basket of unlike things has no middle), these left out.';
