  $ sed -i 's/^  carrier-token/   carrier-token/' services/parcels.yaml

A line was pasted into the service.

  $ strongroom check
  services/parcels.yaml:10: the file is invalid YAML: while parsing a block mapping: expected <block end>, but found '<block mapping start>' (expected lines like 'key: value', indented with spaces; quote text that contains ': ' or ' #')
  [2]

The mend.

  $ sed -i 's/^   carrier-token/  carrier-token/' services/parcels.yaml
  $ strongroom check
  No error in the declaration, its templates and its policies.
