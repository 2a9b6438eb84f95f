A table that is not there.

  $ strongroom keys rewrap --service parcels --env dev --key pii --data-keys data_keys --count
  error: the table data_keys cannot be used now (ProgrammingError); check that it exists, and that this database user may read, insert into and update it
  [1]

A mistyped key.

  $ strongroom keys rewrap --service parcels --env dev --key pi --data-keys data_keys --count
  error: parcels has no key 'pi'; did you mean 'pii'?; declare a new one under keys in services/parcels.yaml
  [1]
