A file that is not an encrypted log is named, and the exit code is 2.

  $ echo '{"event": "started"}' > app.log
  $ strongroom logs read app.log --service parcels --env dev
  app.log: its header is incomplete
  [2]

A path that leads to no file.

  $ strongroom logs read application.log --service parcels --env dev
  error: application.log: No such file or directory; check the path, and the folder that you are in
  [1]
