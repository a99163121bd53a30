{# No two rows of a model share the values of `columns`, none of which is null. `recent_by` bounds it to the newest days. #}
{% test unique_key(model, columns, recent_by=none, days=2) %}
    {%- set condition = 'true' -%}
    {%- if recent_by and execute -%}
        {%- set newest = values_of('select ' ~ instant_text("max(" ~ recent_by ~ ") - interval '" ~ days ~ "' day") ~ ' from ' ~ model) -%}
        {%- if newest and newest[0] -%}
            {%- set condition = recent_by ~ ' >= ' ~ instant(newest[0]) -%}
        {%- endif -%}
    {%- endif %}
    select {{ columns | join(', ') }}, count(*) as times
    from {{ model }}
    where {{ condition }}
    group by {{ columns | join(', ') }}
    having count(*) > 1 {% for column in columns %} or {{ column }} is null {% endfor %}
{% endtest %}
