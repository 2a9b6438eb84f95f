Ada wants the schema for her editor.

  $ strongroom schema services --out service.json
  strongroom: Invalid value for 'kind': Value error, 'services' is not one of 'service', 'environment', 'policy-tests', 'anomalies', 'monitoring', 'rollout', 'migration'.
  [64]

The mend.

  $ strongroom schema service --out service.json
