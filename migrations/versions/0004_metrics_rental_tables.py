"""Create the eight metric tables of the rental pipeline.

All are sorted by their period first: a refresh rewrites a range of periods and analysts ask for the last ones. Those by
location have at most a few rows for each location and period and go to every node; the two that grow with listings
and users are distributed by those. Encodings as in the curated layer: RAW for the leading sort column, AZ64 for
numbers, ZSTD for text.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        create table metrics.average_listing_price_weekly (
            week_start date not null encode raw,
            state varchar(400) not null encode zstd,
            cityname varchar(400) not null encode zstd,
            currency varchar(12) encode bytedict,
            active_listings bigint not null encode az64,
            avg_price decimal(18, 2) encode az64,
            avg_price_usd decimal(28, 2) encode az64,
            new_listings bigint not null encode az64,
            new_listing_avg_price decimal(18, 2) encode az64
        )
        diststyle all
        compound sortkey (week_start, state, cityname, currency)
        """
    )
    op.execute(
        """
        create table metrics.occupancy_rate_monthly (
            month_start date not null encode raw,
            state varchar(400) not null encode zstd,
            cityname varchar(400) not null encode zstd,
            available_nights bigint not null encode az64,
            booked_nights bigint not null encode az64,
            occupancy_rate decimal(18, 6) encode az64,
            overbooked_nights bigint not null encode az64
        )
        diststyle all
        compound sortkey (month_start, state, cityname)
        """
    )
    op.execute(
        """
        create table metrics.popular_locations_weekly (
            week_start date not null encode raw,
            state varchar(400) not null encode zstd,
            cityname varchar(400) not null encode zstd,
            bookings bigint not null encode az64,
            nights bigint not null encode az64,
            location_rank bigint not null encode az64
        )
        diststyle all
        compound sortkey (week_start, state, cityname)
        """
    )
    # Without the rank, which the view adds: one booking more would shift it in most of the week's rows.
    op.execute(
        """
        create table metrics.top_listings_weekly (
            week_start date not null encode raw,
            apartment_id bigint not null encode az64,
            bookings bigint not null encode az64,
            revenue_usd decimal(30, 2) encode az64,
            unconverted_bookings bigint not null encode az64
        )
        diststyle key
        distkey (apartment_id)
        compound sortkey (week_start, apartment_id)
        """
    )
    op.execute(
        """
        create table metrics.bookings_per_user_weekly (
            week_start date not null encode raw,
            user_id bigint not null encode az64,
            bookings bigint not null encode az64,
            all_bookings bigint not null encode az64,
            spend_usd decimal(30, 2) encode az64
        )
        diststyle key
        distkey (user_id)
        compound sortkey (week_start, user_id)
        """
    )
    op.execute(
        """
        create table metrics.average_booking_duration_monthly (
            month_start date not null encode raw,
            state varchar(400) not null encode zstd,
            cityname varchar(400) not null encode zstd,
            stays bigint not null encode az64,
            total_nights bigint not null encode az64,
            avg_nights decimal(18, 2) encode az64
        )
        diststyle all
        compound sortkey (month_start, state, cityname)
        """
    )
    op.execute(
        """
        create table metrics.repeat_customer_rate_daily (
            day date not null encode raw,
            customers bigint not null encode az64,
            repeat_customers bigint not null encode az64,
            repeat_rate decimal(18, 6) encode az64
        )
        diststyle all
        sortkey (day)
        """
    )
    op.execute(
        """
        create table metrics.listing_engagement_weekly (
            week_start date not null encode raw,
            state varchar(400) not null encode zstd,
            cityname varchar(400) not null encode zstd,
            views bigint not null encode az64,
            unique_viewers bigint not null encode az64,
            wishlist_rate decimal(18, 6) encode az64,
            contact_rate decimal(18, 6) encode az64,
            bookings bigint not null encode az64,
            conversion_rate decimal(28, 6) encode az64
        )
        diststyle all
        compound sortkey (week_start, state, cityname)
        """
    )
