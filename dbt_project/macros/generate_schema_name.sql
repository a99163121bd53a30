{# Uses the lake's namespaces as schema names, independent of the target's schema. A comparison of engines adds a prefix. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ env_var('DBT_FOSS_NAMESPACE_PREFIX', '') }}{{ custom_schema_name or target.schema }}
{%- endmacro %}
