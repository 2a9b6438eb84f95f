  $ sed -i 's/^  address:/  adress:/' migrations/letters.yaml

A migration is planned.

  $ strongroom migrate plan migrations/letters.yaml --env dev
  error: migration letters: columns: the table has no column 'adress' (expected address or id; did you mean 'address'?)
  [1]

The mend.

  $ sed -i 's/^  adress:/  address:/' migrations/letters.yaml
  $ strongroom migrate plan migrations/letters.yaml --env dev | head -1
  public.letters: about 0 rows, 1.2 kB
