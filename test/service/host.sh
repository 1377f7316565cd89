#!/bin/sh
# A systemd of its own, as on a host that has just booted, in namespaces of this one: host.sh CGROUP FOLDER
# It knows the units of FOLDER/units alone, so that nothing of this host's is started, and what it writes to /etc, /run and
# /var/lib is not this host's either.
set -e
case $1 in
  inside) shift ;;
  *)
    mkdir -p "$1"
    echo $$ >"$1/cgroup.procs"
    exec unshare --pid --fork --kill-child=KILL --mount --cgroup --uts --propagation slave --mount-proc \
      sh "$0" inside "$@"
    ;;
esac
folder=$2
# Copies of the mounts of whatever else runs here would keep its disks busy.
awk -v own="$folder" '$5 ~ "^/tmp/" && index(own, $5) != 1 { print $5 }' /proc/self/mountinfo | sort -r |
  while read -r place; do umount -l "$place" || true; done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/etc /run/work /run/lock /run/none
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/work overlay /etc
mkdir -p "$folder/var-lib"
mount --bind "$folder/var-lib" /var/lib
umount -l -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
: >"$folder/console"
mount --bind "$folder/console" /dev/console
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin container=kvmio \
  SYSTEMD_UNIT_PATH="$folder/units" \
  SYSTEMD_GENERATOR_PATH=/run/none SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/run/none \
  /lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=no
