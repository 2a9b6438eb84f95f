What the command would do with each variable, without a value.

  $ printf 'STAMP_TOKEN=st-0011223344\nPAGE_SIZE=25\n' > letters.env
  $ strongroom import-env letters.env --service letters --create --owner ada --description Writes --dry-run
  letters:
    secrets, on the server (1): STAMP_TOKEN
    settings, which go to git with their values (1): PAGE_SIZE

A path that leads to no file.

  $ strongroom import-env .env --service parcels
  error: .env does not exist or is not a file; pass the path of an .env file
  [1]
