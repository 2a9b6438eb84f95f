  $ printf '{{ secret("api-key")\n' >> templates/labels/app.yaml.j2

The last line of a template was pasted.

  $ strongroom check
  templates/labels/app.yaml.j2:3: unexpected end of template, expected 'end of print statement'; correct the syntax
  [2]

The mend.

  $ sed -i '$d' templates/labels/app.yaml.j2
  $ strongroom check
  No error in the declaration, its templates and its policies.
