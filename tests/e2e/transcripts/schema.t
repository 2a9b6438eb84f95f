The schema goes to standard output, for an editor.

  $ strongroom schema service | head -4
  {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$defs": {
      "Config": {

Another kind is answered by those that exist.

  $ strongroom schema services
  strongroom: Invalid value for 'kind': Value error, 'services' is not one of 'service', 'environment', 'policy-tests', 'anomalies', 'monitoring', 'rollout', 'migration'.
  [64]
