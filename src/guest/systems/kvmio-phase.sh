#!/bin/sh
# kvmio-phase NAME: tells kvmio that a script of the user's begins another phase.
case ${1:-} in
  '' | *[!A-Za-z0-9_.-]*)
    echo "kvmio-phase: expected a name of letters, digits, _, . and -, got \"${1:-}\"" >&2
    exit 2
    ;;
esac
read -r uptime idle </proc/uptime
echo "$uptime phase $1" >/run/kvmio/lines
