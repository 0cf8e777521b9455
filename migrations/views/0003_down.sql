-- Takes version 0003 back. What was embedded stays; encoders that are neither active nor retired are vectors nobody asks.
drop view inventory_match.encoder_builds;
drop table inventory_match.encoder_failure;
drop table inventory_match.encoder_build;
alter table inventory_match.encoder
    drop column pruned_at,
    drop column retired_at,
    drop column key,
    drop column bucket;
