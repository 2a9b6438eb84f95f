  $ sed -i 's/table: letters/table: leters/' migrations/letters.yaml

A migration is planned.

  $ strongroom migrate plan migrations/letters.yaml --env dev
  error: migration letters: its database has no table leters, or this user may not see it; check table and schema in the plan, and --role
  [1]

The mend.

  $ sed -i 's/table: leters/table: letters/' migrations/letters.yaml
  $ strongroom migrate plan migrations/letters.yaml --env dev | head -1
  public.letters: about 0 rows, 1.2 kB
