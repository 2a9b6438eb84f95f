What each stage does, how long it takes, and what is locked meanwhile.

  $ strongroom migrate plan migrations/letters.yaml --env dev --free 5000
  public.letters: about 0 rows, 1.2 kB
  guarded: the columns address_token and the guard are added; it queues writes that bring no new token
    ACCESS EXCLUSIVE for milliseconds; queries wait 20 ms for each attempt at most
  dual-writing: the guard refuses writes that bring no new token, after 1s without one
    no lock on the table
  backfilled: each row without new tokens is encrypted
    ROW EXCLUSIVE for a batch; its rows are locked while they are written
    disk 0 bytes, WAL 0 bytes and about 0 s
  verified: each new token is decrypted and compared with its plaintext
    ACCESS SHARE for a batch; rows that are wrong are written again
    disk 0 bytes, WAL 0 bytes and about 0 s
  indexed: nothing is built, as there is no blind index
    no lock on the table
  switched: applications read new tokens, and go on writing plaintext
    no lock on the table
  nulled: each new token is opened, and address set NULL where it opens; then a constraint keeps them NULL, and the planner's statistics are computed again
    ROW EXCLUSIVE for a batch; its rows are locked while they are written
    ACCESS EXCLUSIVE for milliseconds; queries wait 20 ms for each attempt at most
    SHARE UPDATE EXCLUSIVE for one scan that checks the constraint
    disk 0 bytes, WAL 1.2 kB and about 0 s
  dropped: address and the guard are dropped, after which there is no way back
    ACCESS EXCLUSIVE for milliseconds; queries wait 20 ms for each attempt at most
  all before the switch needs 1.1 GB for tables, indexes and WAL, and 5.0 GB are free.
  the removal of plaintext needs 1.1 GB for tables, indexes and WAL, and 5.0 GB are free.

A plan of a table that is not there.

  $ sed -i 's/table: letters/table: leters/' migrations/letters.yaml
  $ strongroom migrate plan migrations/letters.yaml --env dev
  error: migration letters: its database has no table leters, or this user may not see it; check table and schema in the plan, and --role
  [1]
