# The project's own image: the one-shot services, the agent, the mail sink and the store.
ARG PYTHON=python:3.13-slim-trixie
# What the dependencies are copied from: the stage below, or an image that has them in /site.
ARG SITE=dependencies

FROM ${PYTHON} AS dependencies
COPY requirements/image.txt /
RUN python3 -m pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary=:all: \
    --target /site -r /image.txt

FROM ${SITE} AS site

FROM ${PYTHON}
# A volume takes over owner and mode of the folder that it is first mounted on.
RUN ["python3", "-c", "import os, site\n\
with open(site.getsitepackages()[0] + '/strongroom.pth', 'w') as file:\n\
    file.write('/opt/strongroom/site\\n')\n\
for name in ('', 'agent', 'config', 'config/gaara-store', 'config/orders-mail', \
'service-credentials', 'service-credentials/gaara-store-dev', \
'service-credentials/orders-mail-dev', 'postgres', 'redis', 'smtp', 'vault'):\n\
    os.mkdir('/strongroom/' + name, 0o700)\n\
    os.chown('/strongroom/' + name, 10001, 10001)\n"]
COPY --from=site /site /opt/strongroom/site
# Nothing can be written later, and compiling at each start takes seconds.
RUN ["python3", "-m", "compileall", "-q", "-j0", "/opt/strongroom/site"]
# Owned by who runs it: a clone made under a strict umask is readable to its owner only.
COPY --chown=10001:10001 strongroom.yaml /opt/strongroom/app/
COPY --chown=10001:10001 app_integration /opt/strongroom/app/app_integration
COPY --chown=10001:10001 vault /opt/strongroom/app/vault
COPY --chown=10001:10001 agent /opt/strongroom/app/agent
COPY --chown=10001:10001 policies /opt/strongroom/app/policies
COPY --chown=10001:10001 console /opt/strongroom/app/console
COPY --chown=10001:10001 examples /opt/strongroom/app/examples
RUN ["python3", "-m", "compileall", "-q", "-j0", "/opt/strongroom/app"]
WORKDIR /opt/strongroom/app
USER 10001:10001
