Without a container engine.

  $ DOCKER_HOST=unix:///nowhere strongroom image --tag parcels
  error: no container engine is reachable at unix:///nowhere; start one, or use the runtime without containers: STRONGROOM_RUNTIME=embedded strongroom up
  [1]
