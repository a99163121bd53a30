{# Fails for rows with the same values in `columns`, or with a null in one of the columns. `recent_by`, a time column, limits
   the test to the newest days. #}
{% test unique_key(model, columns, recent_by=none, days=2) %}
    select {{ columns | join(', ') }}, count(*) as times
    from {{ model }}
    where {{ foss_platform.of_newest_days(model, recent_by, days) }}
    group by {{ columns | join(', ') }}
    having count(*) > 1 {% for column in columns %} or {{ column }} is null {% endfor %}
{% endtest %}
