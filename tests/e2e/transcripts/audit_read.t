The lines of the log are decrypted by the key of a person.

  $ mkdir -m 700 archive; head -n 5 .strongroom/vault/audit/audit-1.log > audit.log
  $ strongroom audit archive --service parcels --env dev --folder archive --audit-log audit.log --reload "touch audit.log" --no-key --recipient "$(strongroom dev-values key 2> /dev/null)" > /dev/null
  $ strongroom audit read archive/*.encrypted --identity ~/.config/strongroom/identity.txt | wc -l
  5

Without a way to decrypt, the message names the two.

  $ strongroom audit read archive/*.encrypted
  strongroom: Invalid value: pass --service and --env, or --identity
  [64]
