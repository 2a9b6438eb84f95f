An environment that declares no scoped role.

  $ strongroom environments apply-policy prod
  error: prod does not declare 'apply_role: scoped' under 'vault'; declare it first
  [1]
