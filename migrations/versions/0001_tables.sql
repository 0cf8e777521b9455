-- Tables of version 0001, written out once from the models and frozen: a migration never reads the models.

CREATE TABLE inventory_match.encoder (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    name TEXT NOT NULL,
    arch TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    dim BIGINT NOT NULL,
    metric TEXT NOT NULL,
    record JSONB NOT NULL,
    thresholds JSONB NOT NULL,
    state TEXT NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    activated_at timestamptz,
    CONSTRAINT pk_encoder PRIMARY KEY (id),
    CONSTRAINT ck_encoder_state CHECK (state in ('building', 'ready', 'active', 'retired')),
    CONSTRAINT ck_encoder_metric CHECK (metric in ('cosine', 'euclidean')),
    CONSTRAINT uq_encoder_sha256 UNIQUE (sha256)
);
CREATE UNIQUE INDEX uq_encoder_active ON inventory_match.encoder (state) WHERE state = 'active';

CREATE TABLE inventory_match.message (
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    store TEXT,
    sku TEXT,
    data JSONB NOT NULL,
    occurred_at timestamptz NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    held BOOLEAN DEFAULT false NOT NULL,
    digest_id TEXT,
    CONSTRAINT pk_message PRIMARY KEY (id),
    CONSTRAINT fk_message_digest_id FOREIGN KEY(digest_id) REFERENCES inventory_match.message (id)
);
CREATE INDEX ix_message_held ON inventory_match.message (store) WHERE held and digest_id is null;
CREATE INDEX ix_message_store_created_at ON inventory_match.message (store, created_at);

CREATE TABLE inventory_match.object_removal (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    version TEXT NOT NULL,
    sequencer TEXT,
    event_time timestamptz NOT NULL,
    recorded_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_object_removal PRIMARY KEY (id),
    CONSTRAINT uq_object_removal_bucket_key_version_event_time UNIQUE (bucket, key, version, event_time)
);

CREATE TABLE inventory_match.photo (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    version TEXT NOT NULL,
    version_id TEXT,
    etag TEXT NOT NULL,
    sequencer TEXT,
    size BIGINT,
    source TEXT NOT NULL,
    event_time timestamptz NOT NULL,
    captured_at timestamptz NOT NULL,
    captured_source TEXT NOT NULL,
    clock_ahead BOOLEAN DEFAULT false NOT NULL,
    camera TEXT,
    store TEXT,
    location TEXT,
    state TEXT NOT NULL,
    cause TEXT,
    attempts BIGINT DEFAULT 0 NOT NULL,
    registered_at timestamptz DEFAULT now() NOT NULL,
    next_attempt_at timestamptz DEFAULT now() NOT NULL,
    kicked_at timestamptz,
    finished_at timestamptz,
    width BIGINT,
    height BIGINT,
    quality JSONB,
    encoder_id BIGINT,
    expired_at timestamptz,
    CONSTRAINT pk_photo PRIMARY KEY (id),
    CONSTRAINT uq_photo_bucket_key_version UNIQUE (bucket, key, version),
    CONSTRAINT ck_photo_state CHECK (state in ('registered', 'processing', 'unrouted', 'done', 'empty', 'rejected', 'needs_review', 'superseded', 'dead'))
);
CREATE INDEX ix_photo_camera_captured_at ON inventory_match.photo (camera, captured_at);
CREATE INDEX ix_photo_state ON inventory_match.photo (state);
CREATE INDEX ix_photo_waiting ON inventory_match.photo (next_attempt_at) WHERE state in ('registered', 'processing');

CREATE TABLE inventory_match.product (
    sku TEXT NOT NULL,
    name TEXT NOT NULL,
    category TEXT,
    gtin TEXT,
    description TEXT,
    retired_at timestamptz,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_product PRIMARY KEY (sku),
    CONSTRAINT uq_product_gtin UNIQUE (gtin)
);
CREATE INDEX ix_product_category ON inventory_match.product (category);

CREATE TABLE inventory_match.rejected_message (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    message_id TEXT NOT NULL,
    body TEXT NOT NULL,
    cause TEXT NOT NULL,
    received_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_rejected_message PRIMARY KEY (id),
    CONSTRAINT uq_rejected_message_message_id_cause UNIQUE (message_id, cause)
);

CREATE TABLE inventory_match.stock_event (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    idempotency_key TEXT NOT NULL,
    kind TEXT NOT NULL,
    effect TEXT NOT NULL,
    store TEXT NOT NULL,
    location TEXT,
    sku TEXT NOT NULL,
    facings BIGINT,
    depth BIGINT,
    units BIGINT NOT NULL,
    photo_id BIGINT,
    observed_at timestamptz NOT NULL,
    recorded_at timestamptz DEFAULT now() NOT NULL,
    actor TEXT NOT NULL,
    note TEXT,
    CONSTRAINT pk_stock_event PRIMARY KEY (id),
    CONSTRAINT ck_stock_event_kind CHECK (kind in ('counted_camera', 'counted_person', 'received', 'sold', 'adjusted')),
    CONSTRAINT ck_stock_event_effect CHECK (effect in ('moved', 'kept', 'awaiting', 'late', 'booked')),
    CONSTRAINT ck_stock_event_count CHECK (kind not like 'counted%' or (location is not null and units >= 0)),
    CONSTRAINT ck_stock_event_units CHECK (kind <> 'counted_camera' or units = facings * depth),
    CONSTRAINT ck_stock_event_received CHECK (kind <> 'received' or units > 0),
    CONSTRAINT ck_stock_event_sold CHECK (kind <> 'sold' or units < 0),
    CONSTRAINT ck_stock_event_movement CHECK (kind like 'counted%' or effect = 'booked'),
    CONSTRAINT uq_stock_event_idempotency_key UNIQUE (idempotency_key)
);
CREATE INDEX ix_stock_event_book ON inventory_match.stock_event (store, sku, observed_at) WHERE effect = 'booked';
CREATE INDEX ix_stock_event_person ON inventory_match.stock_event (store, sku, location, observed_at) WHERE kind = 'counted_person';
CREATE INDEX ix_stock_event_photo_id ON inventory_match.stock_event (photo_id);
CREATE INDEX ix_stock_event_store_sku_observed_at ON inventory_match.stock_event (store, sku, observed_at);

CREATE TABLE inventory_match.stock_level (
    store TEXT NOT NULL,
    location TEXT NOT NULL,
    sku TEXT NOT NULL,
    units BIGINT,
    facings BIGINT,
    counted_at timestamptz,
    seen_at timestamptz,
    pending_units BIGINT,
    pending_photos BIGINT DEFAULT 0 NOT NULL,
    camera TEXT,
    event_id BIGINT,
    CONSTRAINT pk_stock_level PRIMARY KEY (store, location, sku)
);
CREATE INDEX ix_stock_level_store_sku ON inventory_match.stock_level (store, sku);

CREATE TABLE inventory_match.stock_watch (
    store TEXT NOT NULL,
    sku TEXT NOT NULL,
    stage TEXT DEFAULT 'ok' NOT NULL,
    stage_since timestamptz,
    dirty BOOLEAN DEFAULT false NOT NULL,
    CONSTRAINT pk_stock_watch PRIMARY KEY (store, sku),
    CONSTRAINT ck_stock_watch_stage CHECK (stage in ('ok', 'low', 'out'))
);
CREATE INDEX ix_stock_watch_dirty ON inventory_match.stock_watch (store, sku) WHERE dirty;

CREATE TABLE inventory_match.store (
    store TEXT NOT NULL,
    name TEXT NOT NULL,
    timezone TEXT DEFAULT 'UTC' NOT NULL,
    assortment_all BOOLEAN DEFAULT true NOT NULL,
    alerts_per_hour BIGINT,
    keep_photos_days BIGINT,
    CONSTRAINT pk_store PRIMARY KEY (store)
);

CREATE TABLE inventory_match.webhook_endpoint (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    url TEXT NOT NULL,
    event_types TEXT[] DEFAULT '{}' NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    disabled_at timestamptz,
    disabled_cause TEXT,
    CONSTRAINT pk_webhook_endpoint PRIMARY KEY (id),
    CONSTRAINT uq_webhook_endpoint_url UNIQUE (url)
);

CREATE TABLE inventory_match.assortment (
    store TEXT NOT NULL,
    sku TEXT NOT NULL,
    CONSTRAINT pk_assortment PRIMARY KEY (store, sku),
    CONSTRAINT fk_assortment_store FOREIGN KEY(store) REFERENCES inventory_match.store (store) ON DELETE CASCADE
);
CREATE INDEX ix_assortment_sku ON inventory_match.assortment (sku);

CREATE TABLE inventory_match.delivery (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    message_id TEXT NOT NULL,
    endpoint_id BIGINT NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    attempts BIGINT DEFAULT 0 NOT NULL,
    next_attempt_at timestamptz DEFAULT now() NOT NULL,
    delivered_at timestamptz,
    CONSTRAINT pk_delivery PRIMARY KEY (id),
    CONSTRAINT uq_delivery_message_id_endpoint_id UNIQUE (message_id, endpoint_id),
    CONSTRAINT ck_delivery_state CHECK (state in ('pending', 'delivered', 'failed', 'cancelled')),
    CONSTRAINT fk_delivery_message_id FOREIGN KEY(message_id) REFERENCES inventory_match.message (id),
    CONSTRAINT fk_delivery_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES inventory_match.webhook_endpoint (id)
);
CREATE INDEX ix_delivery_due ON inventory_match.delivery (next_attempt_at) WHERE state = 'pending';

CREATE TABLE inventory_match.location (
    store TEXT NOT NULL,
    location TEXT NOT NULL,
    name TEXT NOT NULL,
    CONSTRAINT pk_location PRIMARY KEY (store, location),
    CONSTRAINT fk_location_store FOREIGN KEY(store) REFERENCES inventory_match.store (store)
);

CREATE TABLE inventory_match.policy_rule (
    id BIGSERIAL NOT NULL,
    store TEXT,
    category TEXT,
    sku TEXT,
    settings JSONB NOT NULL,
    CONSTRAINT pk_policy_rule PRIMARY KEY (id),
    CONSTRAINT ck_policy_rule_one_scope CHECK (sku is null or category is null),
    CONSTRAINT fk_policy_rule_store FOREIGN KEY(store) REFERENCES inventory_match.store (store) ON DELETE CASCADE
);
CREATE INDEX ix_policy_rule_sku ON inventory_match.policy_rule (sku);
CREATE UNIQUE INDEX uq_policy_rule_scope ON inventory_match.policy_rule (store, category, sku) NULLS NOT DISTINCT;

CREATE TABLE inventory_match.reference_photo (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    sku TEXT NOT NULL,
    content_hash TEXT NOT NULL,
    bucket TEXT NOT NULL,
    key TEXT NOT NULL,
    source TEXT NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT pk_reference_photo PRIMARY KEY (id),
    CONSTRAINT fk_reference_photo_sku FOREIGN KEY(sku) REFERENCES inventory_match.product (sku)
);
CREATE UNIQUE INDEX uq_reference_photo_sku_content_hash ON inventory_match.reference_photo (sku, content_hash);

CREATE TABLE inventory_match.reorder (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    store TEXT NOT NULL,
    sku TEXT NOT NULL,
    state TEXT NOT NULL,
    units BIGINT NOT NULL,
    received_units BIGINT DEFAULT 0 NOT NULL,
    level BIGINT NOT NULL,
    policy JSONB NOT NULL,
    evidence JSONB NOT NULL,
    opened_at timestamptz DEFAULT now() NOT NULL,
    placed_at timestamptz,
    expected_at timestamptz,
    closed_at timestamptz,
    CONSTRAINT pk_reorder PRIMARY KEY (id),
    CONSTRAINT ck_reorder_state CHECK (state in ('opened', 'placed', 'partly_received', 'received', 'cancelled')),
    CONSTRAINT ck_reorder_units CHECK (units > 0 and received_units >= 0),
    CONSTRAINT fk_reorder_store FOREIGN KEY(store) REFERENCES inventory_match.store (store),
    CONSTRAINT fk_reorder_sku FOREIGN KEY(sku) REFERENCES inventory_match.product (sku)
);
CREATE UNIQUE INDEX uq_reorder_open ON inventory_match.reorder (store, sku) WHERE state in ('opened', 'placed', 'partly_received');

CREATE TABLE inventory_match.sighting (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    photo_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    x0 FLOAT NOT NULL,
    y0 FLOAT NOT NULL,
    x1 FLOAT NOT NULL,
    y1 FLOAT NOT NULL,
    answer TEXT NOT NULL,
    outcome TEXT,
    sku TEXT,
    similarity FLOAT,
    margin FLOAT,
    rule TEXT NOT NULL,
    candidates JSONB DEFAULT '[]' NOT NULL,
    thresholds JSONB,
    encoder_id BIGINT,
    embedding HALFVEC,
    CONSTRAINT pk_sighting PRIMARY KEY (id),
    CONSTRAINT uq_sighting_photo_id_position UNIQUE (photo_id, position),
    CONSTRAINT ck_sighting_answer CHECK (answer in ('product', 'unknown', 'void', 'not_assessable')),
    CONSTRAINT ck_sighting_outcome CHECK (outcome is null or outcome in ('matched', 'ambiguous', 'unknown')),
    CONSTRAINT ck_sighting_product_has_sku CHECK ((answer = 'product') = (sku is not null)),
    CONSTRAINT fk_sighting_photo_id FOREIGN KEY(photo_id) REFERENCES inventory_match.photo (id) ON DELETE CASCADE,
    CONSTRAINT fk_sighting_encoder_id FOREIGN KEY(encoder_id) REFERENCES inventory_match.encoder (id)
);
CREATE INDEX ix_sighting_sku ON inventory_match.sighting (sku);
CREATE INDEX ix_sighting_unknown ON inventory_match.sighting (photo_id) WHERE answer = 'unknown';

CREATE TABLE inventory_match.webhook_secret (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    endpoint_id BIGINT NOT NULL,
    secret TEXT NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    expires_at timestamptz,
    CONSTRAINT pk_webhook_secret PRIMARY KEY (id),
    CONSTRAINT fk_webhook_secret_endpoint_id FOREIGN KEY(endpoint_id) REFERENCES inventory_match.webhook_endpoint (id) ON DELETE CASCADE
);
CREATE INDEX ix_webhook_secret_endpoint_id ON inventory_match.webhook_secret (endpoint_id);

CREATE TABLE inventory_match.camera (
    camera TEXT NOT NULL,
    store TEXT NOT NULL,
    location TEXT NOT NULL,
    kind TEXT NOT NULL,
    key_pattern TEXT NOT NULL,
    records TEXT,
    regions JSONB DEFAULT '[]' NOT NULL,
    expected_interval INTERVAL,
    active BOOLEAN DEFAULT true NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    silent_since timestamptz,
    CONSTRAINT pk_camera PRIMARY KEY (camera),
    CONSTRAINT fk_camera_store_location FOREIGN KEY(store, location) REFERENCES inventory_match.location (store, location),
    CONSTRAINT ck_camera_kind CHECK (kind in ('product', 'shelf')),
    CONSTRAINT ck_camera_records CHECK (records is null or records = 'received')
);
CREATE UNIQUE INDEX uq_camera_shelf_location ON inventory_match.camera (store, location) WHERE kind = 'shelf' and active;

CREATE TABLE inventory_match.delivery_attempt (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    delivery_id BIGINT NOT NULL,
    at timestamptz DEFAULT now() NOT NULL,
    status BIGINT,
    error TEXT,
    duration_ms BIGINT NOT NULL,
    CONSTRAINT pk_delivery_attempt PRIMARY KEY (id),
    CONSTRAINT fk_delivery_attempt_delivery_id FOREIGN KEY(delivery_id) REFERENCES inventory_match.delivery (id) ON DELETE CASCADE
);
CREATE INDEX ix_delivery_attempt_delivery_id ON inventory_match.delivery_attempt (delivery_id);

CREATE TABLE inventory_match.reference_embedding (
    encoder_id BIGINT NOT NULL,
    reference_id BIGINT NOT NULL,
    sku TEXT NOT NULL,
    embedding HALFVEC NOT NULL,
    CONSTRAINT pk_reference_embedding PRIMARY KEY (encoder_id, reference_id),
    CONSTRAINT fk_reference_embedding_encoder_id FOREIGN KEY(encoder_id) REFERENCES inventory_match.encoder (id),
    CONSTRAINT fk_reference_embedding_reference_id FOREIGN KEY(reference_id) REFERENCES inventory_match.reference_photo (id) ON DELETE CASCADE,
    CONSTRAINT fk_reference_embedding_sku FOREIGN KEY(sku) REFERENCES inventory_match.product (sku)
);
CREATE INDEX ix_reference_embedding_encoder_id_sku ON inventory_match.reference_embedding (encoder_id, sku);

CREATE TABLE inventory_match.region_owner (
    camera TEXT NOT NULL,
    position BIGINT NOT NULL,
    sku TEXT NOT NULL,
    confirmed_at timestamptz NOT NULL,
    CONSTRAINT pk_region_owner PRIMARY KEY (camera, position),
    CONSTRAINT fk_region_owner_camera FOREIGN KEY(camera) REFERENCES inventory_match.camera (camera) ON DELETE CASCADE
);
