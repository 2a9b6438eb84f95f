Outside a CI job, the message says where a token comes from.

  $ strongroom ci-env --service parcels --env dev -- env
  error: this CI job has no token to log in with: in GitHub, give it 'permissions: {id-token: write}', which a pull request of a fork does not get; in GitLab, name one STRONGROOM_JWT under 'id_tokens'; elsewhere, set STRONGROOM_JWT_FILE
  [1]
