After the adoption, the server sets another password at once.

  $ strongroom adopt database-url --service parcels --yes > adopt.txt
  $ strongroom rotate-password database-url --service parcels --env dev
  the server has set a new password of parcels_app; the old one no longer works
  verified: parcels-dev logs in with the value of database-url that it reads
  delivered: the restarted agent's file has the new password
  $ strongroom adopt database-url --service parcels --undo > undo.txt

Before it, the server cannot change the password.

  $ strongroom rotate-password database-url --service parcels --env dev
  error: database-url is not adopted by parcels-dev, so the server cannot change its password; write a new one with strongroom put database-url, or adopt it
  [1]
