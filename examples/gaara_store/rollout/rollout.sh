#!/usr/bin/env bash
# Sends requests to another colour of the store, and back if `strongroom rollout watch` objects. Run it in the
# deployment's repository: ENVIRONMENT=prod PROMETHEUS=http://127.0.0.1:9090 rollout.sh green
# Further arguments are options of the watch.
#
# Both colours run on this machine, built by `strongroom agent build --colour`. The exit code is that of the watch.
set -euo pipefail

new=${1:?name the colour to switch to: blue or green}
: "${ENVIRONMENT:?set it to the environment}" "${PROMETHEUS:?set it to the address of Prometheus}"
colour_file=${COLOUR_FILE:-/etc/nginx/colour.conf}
# Longer than worker_shutdown_timeout in nginx.conf, so that the old colour has no request when it is stopped.
watch_for=${WATCH_FOR:-10m}
interval=${INTERVAL:-15s}
ports=(blue "${BLUE_PORT:-8081}" green "${GREEN_PORT:-8082}")

port() {
  local index
  for index in 0 2; do
    if [ "${ports[index]}" = "$1" ]; then echo "${ports[index + 1]}"; fi
  done
}

route() {
  printf '# %s\nserver 127.0.0.1:%s;\n' "$1" "$(port "$1")" >"$colour_file.new"
  mv "$colour_file.new" "$colour_file"
  ${NGINX_COMMAND:-nginx} -s reload
  echo "requests go to $1"
}

wait_ready() {
  local second
  for second in $(seq "${READY_SECONDS:-60}"); do
    if curl -fsS -o /dev/null "http://127.0.0.1:$(port "$1")/health"; then return; fi
    sleep 1
  done 2>/dev/null
  echo "$1 is not ready after $second s; requests stay where they are" >&2
  return 1
}

old=$(sed -n 's/^# //p' "$colour_file")
if [ -z "$(port "$new")" ] || [ -z "$(port "$old")" ] || [ "$new" = "$old" ]; then
  echo "cannot switch from '$old' to '$new': $colour_file names the colour of now" >&2
  exit 1
fi

${SYSTEMCTL:-systemctl} start "strongroom-gaara-store-$new-agent" "gaara-store-$new"
wait_ready "$new"
# Whatever ends this script before the watch has ended well sends requests back, a signal too. The watch is in the
# background, because a signal waits for a command in the foreground.
watch=
go_back() {
  if [ -n "$watch" ]; then kill "$watch" 2>/dev/null || true; fi
  route "$old"
}
trap go_back EXIT
trap 'exit 1' HUP INT TERM
route "$new"
strongroom rollout watch --service gaara-store --env "$ENVIRONMENT" --new "$new" --old "$old" \
  --prometheus "$PROMETHEUS" --for "$watch_for" --interval "$interval" "${@:2}" &
watch=$!
wait "$watch"
trap - EXIT HUP INT TERM
${SYSTEMCTL:-systemctl} stop "gaara-store-$old" "strongroom-gaara-store-$old-agent"
echo "$new serves, and $old is stopped"
