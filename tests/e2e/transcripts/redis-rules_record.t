The rules that a run used are printed as the service's file has them.

  $ strongroom redis-rules record --service parcels -- true
  redis:
    roles:
      default:
        rules:
          []
        ttl: 1h
        max_ttl: 24h
  redis-rules: new: none; the declared rules grant all that was used
  redis-rules: only what ran was recorded; read the rules before you declare them
  redis-rules: parcels declares no Redis role default, so redis_client() is denied, whatever policy its error names; declare the lines above in services/parcels.yaml and the address in environments/dev.yaml, run strongroom up, and record again

The program must be named after two dashes.

  $ strongroom redis-rules record --service parcels
  strongroom: Missing argument 'command'.
  [64]
