The command says first what will stop working, and then each step to the proof that the login works.

  $ strongroom adopt database-url --service parcels --yes | grep -v 'applied: update'
  The server will set a password of parcels_app that only it knows. The current one stops working at that moment, wherever else it is used; open sessions continue.
  there is no other session of parcels_app
  granted: parcels_manager may set the password of parcels_app
  recorded in /home/ada/projects/parcels/environments/dev.yaml: database-url is adopted
  applied: create static-role parcels-dev-database-url
  applied: the server has set a new password, which only it knows
  verified: parcels-dev logs in as parcels_app with the value of database-url that it reads
  delivered: the agent's file has the current password
  done: the server sets a new password every 30 days
  $ strongroom adopt database-url --service parcels --undo > undo.txt

A secret that is not a database URL cannot be adopted.

  $ strongroom adopt carrier-token --service parcels --yes
  error: carrier-token holds no URL; write that of a database with strongroom put
  [1]
