-- Purpose: Share of the customers of 30 days who booked more than once, for every day.
-- Grain: day
-- Reads: metrics.repeat_customer_rate_daily
-- Writes: nothing
-- Params: none
-- Schedule: none, a view; bound, so that its columns are a contract
-- Owner: data engineering
create or replace view presentation.repeat_customer_rate_daily as
select
    day,
    customers,
    repeat_customers,
    repeat_rate
from metrics.repeat_customer_rate_daily;

comment on view presentation.repeat_customer_rate_daily is 'Share of the customers of 30 days who booked more than once, for every day.';
comment on column presentation.repeat_customer_rate_daily.day is 'Last day of the 30';
comment on column presentation.repeat_customer_rate_daily.customers is 'Users with a stay booked in the 30 days';
comment on column presentation.repeat_customer_rate_daily.repeat_customers is 'Users with two stays or more booked in the 30 days, also on one day';
comment on column presentation.repeat_customer_rate_daily.repeat_rate is 'repeat_customers / customers, 6 decimals; NULL without customers';
