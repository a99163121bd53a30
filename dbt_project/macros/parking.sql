{# Bronze records of the parking feed as typed observations. `condition` selects the rows of bronze. #}
{% macro parking_observations(condition) %}
    select
        site,
        case
            when later > _polled_at + interval '{{ var("ahead_minutes") }}' minute
                -- only in the hour that is repeated in autumn does the instant one hour earlier have the same local time
                and {{ foss_platform.on_clock_of("later - interval '1' hour", 'Europe/Oslo') }} = {{ foss_platform.on_clock_of('later', 'Europe/Oslo') }}
                then later - interval '1' hour
            else later
        end as observed_at,
        raw_value,
        latitude,
        longitude,
        _polled_at as polled_at,
        _batch_id as batch_id,
        _record_index as record_index
    from (
        select
            {{ foss_platform.trimmed('"Sted"') }} as site,
            {{ foss_platform.local_text_to_instant('"Dato" || \' \' || "Klokkeslett"', 'Europe/Oslo') }} as later,
            "Antall_ledige_plasser" as raw_value,
            {{ foss_platform.text_to_double('"Latitude"') }} as latitude,
            {{ foss_platform.text_to_double('"Longitude"') }} as longitude,
            _polled_at,
            _batch_id,
            _record_index
        from {{ source('bronze', 'stavanger_parking') }}
        where {{ condition }}
    ) as records
{% endmacro %}

{# The readings that were added or replaced by bronze rows that this model has not read yet. Only for increments. #}
{% macro changed_parking_readings() %}
    {%- set observations = parking_observations(foss_platform.unread('bronze.stavanger_parking')) -%}
    select readings.*
    from {{ ref('parking_readings') }} as readings
    where {{ foss_platform.on_days_of('readings.observed_at', 'select observed_at from (' ~ observations ~ ') as observations') }}
        and exists (
            select 1
            from ({{ observations }}) as observations
            where observations.site = readings.site
                and observations.observed_at = readings.observed_at
                and observations.batch_id = readings.batch_id
        )
{% endmacro %}

{# Whether a reading is included in the figures of gold. #}
{% macro is_usable_reading() -%} free_spaces is not null and coalesce(is_plausible, true) {%- endmacro %}

{# Whether a reading is not ahead of its poll, within the tolerance. #}
{% macro is_not_ahead() -%} observed_at <= polled_at + interval '{{ var("ahead_minutes") }}' minute {%- endmacro %}
