-- Purpose: How fresh the presentation layer is: one row a pipeline, published together with the metrics.
-- Grain: pipeline
-- Reads: ops.freshness
-- Writes: nothing
-- Params: none
-- Schedule: none, a view; bound, so that its columns are a contract
-- Owner: data engineering
create or replace view presentation.freshness as
select
    pipeline,
    as_of,
    published_at,
    newest_change_at,
    rejected_rows
from ops.freshness;

comment on view presentation.freshness is 'How fresh the presentation layer is: one row a pipeline, published together with the metrics.';
comment on column presentation.freshness.pipeline is 'Name of the pipeline';
comment on column presentation.freshness.as_of is 'The instant that the metrics speak for, UTC';
comment on column presentation.freshness.published_at is 'When they were published, UTC';
comment on column presentation.freshness.newest_change_at is 'Record time of the newest source change in them, UTC';
comment on column presentation.freshness.rejected_rows is 'Source rows that were rejected and are in no metric; see curated.rejected_bookings and curated.rejected_views';
