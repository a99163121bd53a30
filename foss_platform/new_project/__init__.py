"""The files of a new project: templates here, pages from `foss_platform/defs`, models from `dbt_project`.

`dbt_project` is a link to this repository's own dbt project, so that the example exists once. A wheel contains a copy.
"""
