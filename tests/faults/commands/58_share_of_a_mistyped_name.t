  $ mkdir dev-values; echo "$(strongroom dev-values key 2> /dev/null) ada" > dev-values/members

Ada shares a value with her team.

  $ strongroom dev-values share carier-token --service parcels
  error: parcels-dev has no secret 'carier-token' that can be shared; did you mean 'carrier-token'?; name one that is given, because each machine has its own of all others
  [1]

The mend.

  $ strongroom dev-values share carrier-token --service parcels
  wrote dev-values/parcels.encrypted: 1 value for ada (new); commit it
