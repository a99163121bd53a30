{# Fails for rows in which `expression` is false. `recent_by`, a time column, limits the test to the newest days. #}
{% test holds(model, expression, column_name=none, recent_by=none, days=7) %}
    select * from {{ model }} where {{ foss_platform.of_newest_days(model, recent_by, days) }} and not ({{ expression }})
{% endtest %}
