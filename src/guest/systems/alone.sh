#!/bin/sh
# alone.sh PROGRAM WORD...: runs it in the mount namespace that this one begins, without what lies on kvmio's tiers.
# Where the root mount is private, as in containers, a mount that the host takes down stays in every namespace that has
# copied it, and its loop device is in use until that ends.
set -eu

# Whole before the first umount: what is read of it is not to shift.
mounts=$(cat /proc/self/mountinfo)
while read -r _ _ _ _ point _; do
  case "$point" in
    */tiers/*/mnt | */tiers/*/fuse) ;;
    *) continue ;;
  esac
  # The kernel writes a space as \040; a mount point under another one has gone with it.
  # shellcheck disable=SC2059
  umount --lazy "$(printf "$(printf '%s' "$point" | sed 's/%/%%/g')")" 2>/dev/null || true
done <<END
$mounts
END

exec "$@"
