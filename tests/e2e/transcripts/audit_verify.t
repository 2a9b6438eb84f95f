Without a credential the chain is checked, and nothing is decrypted.

  $ mkdir -m 700 archive; head -n 5 .strongroom/vault/audit/audit-1.log > audit.log
  $ strongroom audit archive --service parcels --env dev --folder archive --audit-log audit.log --reload "touch audit.log" --no-key --recipient "$(strongroom dev-values key 2> /dev/null)" > /dev/null
  $ strongroom audit verify archive
  1 segment, 5 lines; not decrypted
  head 0000000000000000000000000000000000000000000000000000000000000000

A lost segment is named.

  $ rm archive/*.encrypted; strongroom audit verify archive
  ✗ audit-20260102T030405Z.jsonl.zst.encrypted: is missing, with 5 lines
  1 segment, 5 lines; not decrypted
  head 0000000000000000000000000000000000000000000000000000000000000000
  [2]
