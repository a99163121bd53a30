{# `expression` is true, or unknown, in every row. `recent_by`, a column of time, bounds it to the newest days. #}
{% test holds(model, expression, column_name=none, recent_by=none, days=7) %}
    select * from {{ model }} where {{ of_newest_days(model, recent_by, days) }} and not ({{ expression }})
{% endtest %}
