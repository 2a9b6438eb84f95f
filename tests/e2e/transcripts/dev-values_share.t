A member encrypts a value for all members.

  $ mkdir dev-values; echo "$(strongroom dev-values key 2> /dev/null) ada" > dev-values/members
  $ strongroom dev-values share carrier-token --service parcels
  wrote dev-values/parcels.encrypted: 1 value for ada (new); commit it

A developer whose key is not listed reads how to become a member.

  $ rm -r ~/.config; strongroom dev-values share carrier-token --service parcels
  error: the key in /home/ada/projects/home/.config/strongroom/identity.txt is not a member's; print the public key, and make it if there is none, with: strongroom dev-values key; add the line KEY NAME to /home/ada/projects/parcels/dev-values/members; then have a member run: strongroom dev-values share
  [1]
