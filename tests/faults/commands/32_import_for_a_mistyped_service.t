  $ printf 'MAIL_PASSWORD=mail-99aa88bb77\n' > parcels.env

The values of parcels are in a file.

  $ strongroom import-env parcels.env --service parcel
  error: parcel is not declared (did you mean parcels?); to create it from parcels.env, pass --create with --owner and --description, or declare it with: strongroom new service parcel
  [1]

The mend.

  $ strongroom import-env parcels.env --service parcels --dry-run
  parcels:
    secrets, on the server (1): MAIL_PASSWORD
