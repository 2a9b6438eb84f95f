The file is named first; below are the lines for each tool.

  $ strongroom sdk-wheel --out vendor/ | head -6
  wrote vendor/strongroom_sdk-0.1.0-py3-none-any.whl

  For a project in /home/ada/projects/parcels, with the extras that it uses:

  requirements.txt
    ./vendor/strongroom_sdk-0.1.0-py3-none-any.whl[config,database]

The folder must be named.

  $ strongroom sdk-wheel
  strongroom: Missing option '--out'.
  [64]
