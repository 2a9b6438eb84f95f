A member who has each value sees nothing.

  $ mkdir dev-values; echo "$(strongroom dev-values key 2> /dev/null) ada" > dev-values/members
  $ strongroom dev-values share carrier-token --service parcels > /dev/null
  $ strongroom dev-values open

Without a key on this machine, the message says where it belongs.

  $ rm -r ~/.config; strongroom dev-values open
  error: the key in /home/ada/projects/home/.config/strongroom/identity.txt is not a member's; print the public key, and make it if there is none, with: strongroom dev-values key; add the line KEY NAME to /home/ada/projects/parcels/dev-values/members; then have a member run: strongroom dev-values share
  [1]
