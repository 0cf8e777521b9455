-- Encoders beside each other: one is active, others are being built, stand ready, or are kept to return to.

alter table inventory_match.encoder
    add column bucket text,
    add column key text,
    add column retired_at timestamptz,
    add column pruned_at timestamptz;

-- One row an encoder: the pace of its embedding. `next_at` bounds the rate over all workers; `rate` is smoothed.
create table inventory_match.encoder_build (
    encoder_id bigint not null,
    next_at timestamptz default now() not null,
    last_at timestamptz,
    rate double precision,
    constraint pk_encoder_build primary key (encoder_id),
    constraint fk_encoder_build_encoder_id foreign key (encoder_id) references inventory_match.encoder (id)
);

-- References an encoder could not embed, until they are tried again.
create table inventory_match.encoder_failure (
    encoder_id bigint not null,
    reference_id bigint not null,
    cause text not null,
    at timestamptz default now() not null,
    constraint pk_encoder_failure primary key (encoder_id, reference_id),
    constraint fk_encoder_failure_encoder_id foreign key (encoder_id) references inventory_match.encoder (id),
    constraint fk_encoder_failure_reference_id foreign key (reference_id)
        references inventory_match.reference_photo (id) on delete cascade
);

create view inventory_match.encoder_builds as
select e.name as encoder,
       left(e.sha256, 12) as sha256,
       case when e.pruned_at is null then e.state else 'pruned' end as state,
       kept.done,
       wanted.total,
       broken.failed,
       pace.rate,
       case when kept.done + broken.failed < wanted.total
            then now() + (wanted.total - kept.done - broken.failed) / pace.rate * interval '1 second' end as eta,
       broken.cause as last_failure,
       b.last_at as worked_at,
       e.activated_at,
       e.retired_at
from inventory_match.encoder e
left join inventory_match.encoder_build b on b.encoder_id = e.id
cross join lateral (select case when b.last_at > now() - interval '2 minutes' then nullif(b.rate, 0) end as rate) pace
cross join lateral (select count(*) as total from inventory_match.reference_photo) wanted
cross join lateral (select count(*) as done from inventory_match.reference_embedding r where r.encoder_id = e.id) kept
cross join lateral (
    select count(*) as failed, (array_agg(f.cause order by f.at desc))[1] as cause
    from inventory_match.encoder_failure f where f.encoder_id = e.id
) broken;

comment on view inventory_match.encoder_builds is
    'Every encoder that made vectors or is just making them: how many of the reference photos it has embedded, how fast, until when.';
comment on column inventory_match.encoder_builds.state is
    'building; ready (may be activated); active; retired (kept to return to); pruned (its vectors are gone).';
comment on column inventory_match.encoder_builds.done is 'Reference photos with a vector by this encoder.';
comment on column inventory_match.encoder_builds.total is 'Reference photos of the catalog.';
comment on column inventory_match.encoder_builds.failed is 'Reference photos it could not embed; last_failure says why.';
comment on column inventory_match.encoder_builds.rate is 'References a second of late; null where nothing was embedded for two minutes.';
comment on column inventory_match.encoder_builds.eta is 'When the last one will be embedded, at this rate.';
