{# `expression` is true, or unknown, in every row. #}
{% test holds(model, expression, column_name=none) %}
    select * from {{ model }} where not ({{ expression }})
{% endtest %}
