The files of the workers, for compose.

  $ strongroom migrate build migrations/letters.yaml --for compose --env prod --image registry.example.com/tool:1 --out workers
  wrote workers/plan.yaml
  wrote workers/compose.yaml

Workers of dev run on this machine.

  $ strongroom migrate build migrations/letters.yaml --for compose --env dev --image registry.example.com/tool:1 --out workers
  error: the servers of dev run on this machine; pass --workers to strongroom migrate run
  [1]
