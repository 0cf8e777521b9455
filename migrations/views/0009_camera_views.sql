-- What shelf cameras usually look at, so that one that was moved or covered is noticed before it counts.

-- usual: false: a view that was strange, kept for the person who accepts it. accepted: a person did, so it is usual alone.
-- outline: luma of the whole photo at 96 x 72 px, row by row; embedding: of the whole photo, by that encoder.
create table inventory_match.camera_view (
    photo_id bigint not null,
    encoder_id bigint not null,
    camera text not null,
    captured_at timestamptz not null,
    embedding halfvec not null,
    outline bytea not null,
    usual boolean not null,
    accepted boolean default false not null,
    constraint pk_camera_view primary key (photo_id, encoder_id),
    constraint fk_camera_view_camera foreign key (camera) references inventory_match.camera (camera) on delete cascade,
    constraint fk_camera_view_encoder_id foreign key (encoder_id) references inventory_match.encoder (id),
    constraint ck_camera_view_accepted_is_usual check (usual or not accepted)
);
create index ix_camera_view_camera_encoder_id_captured_at
    on inventory_match.camera_view (camera, encoder_id, captured_at);
