{# Schemas are the lake's namespaces, whatever the target's own schema is; a comparison of engines builds into ones of its own. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ env_var('DBT_FOSS_NAMESPACE_PREFIX', '') }}{{ custom_schema_name or target.schema }}
{%- endmacro %}
