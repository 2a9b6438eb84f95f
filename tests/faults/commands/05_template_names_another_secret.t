  $ sed -i 's/api-key/api-kee/' templates/labels/*

The template of a config file was edited.

  $ strongroom check
  templates/labels/app.yaml.j2:2: secret 'api-kee' is not declared for labels; did you mean 'api-key'?
  [2]

The mend.

  $ sed -i 's/api-kee/api-key/' templates/labels/*
  $ strongroom check
  No error in the declaration, its templates and its policies.
