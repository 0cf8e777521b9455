-- What should stand on a shelf, what each photo says to that, and what was known before it was looked at.

alter table inventory_match.product add column brand text;
-- prior: {expected: [sku, ...] (those of the candidates), weight, source}; null where nothing was known, as in older rows.
alter table inventory_match.sighting add column prior jsonb;

-- A plan holds from applied_at until ended_at: for one camera, or, where camera is null, for all of its location. No foreign key
-- to location or camera: what was planned is history, also of a shelf that is gone.
create table inventory_match.planogram (
    id bigint generated always as identity,
    store text not null,
    location text not null,
    camera text,
    name text not null,
    applied_at timestamptz default now() not null,
    applied_by text not null,
    ended_at timestamptz,
    constraint pk_planogram primary key (id)
);
create unique index uq_planogram_in_force on inventory_match.planogram (store, location, camera) nulls not distinct
    where ended_at is null;

-- shelf_row from the top, place_in_row from the left: the number of the slot, which may be several facings wide.
create table inventory_match.planogram_slot (
    planogram_id bigint not null,
    shelf_row bigint not null,
    place_in_row bigint not null,
    sku text not null,
    facings bigint not null,
    constraint pk_planogram_slot primary key (planogram_id, shelf_row, place_in_row),
    constraint fk_planogram_slot_planogram_id foreign key (planogram_id) references inventory_match.planogram (id)
        on delete cascade,
    constraint fk_planogram_slot_sku foreign key (sku) references inventory_match.product (sku),
    constraint ck_planogram_slot_counted_from_one check (shelf_row >= 1 and place_in_row >= 1 and facings >= 1)
);

-- What a settled shelf photo says of each facing expected there (shelf_row, place_in_row, sku), then of each too many, of which
-- these two are null. seen_*: what was seen in its place. stands_*: where a misplaced one stands instead. planogram_id null: what
-- is usual there was expected, as seen_in of looks earlier photos showed it.
create table inventory_match.shelf_verdict (
    photo_id bigint not null,
    number bigint not null,
    planogram_id bigint,
    shelf_row bigint,
    place_in_row bigint,
    sku text not null,
    verdict text not null,
    seen_answer text,
    seen_sku text,
    seen_row bigint,
    seen_place bigint,
    position bigint,
    stands_row bigint,
    stands_place bigint,
    seen_in bigint,
    looks bigint,
    constraint pk_shelf_verdict primary key (photo_id, number),
    constraint fk_shelf_verdict_photo_id foreign key (photo_id) references inventory_match.photo (id) on delete cascade,
    constraint fk_shelf_verdict_planogram_id foreign key (planogram_id) references inventory_match.planogram (id),
    constraint ck_shelf_verdict_verdict check (
        verdict in ('compliant', 'misplaced', 'missing', 'extra', 'needs_review', 'not_assessable')),
    constraint ck_shelf_verdict_extra_was_not_expected check ((verdict = 'extra') = (shelf_row is null)),
    constraint ck_shelf_verdict_misplaced_stands_elsewhere check ((verdict = 'misplaced') = (stands_row is not null))
);

create index ix_shelf_facing_usual on inventory_match.shelf_facing (camera, position, captured_at)
    where answer = 'product';
