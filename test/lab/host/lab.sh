#!/bin/sh
# What the lab host does instead of an init system: mounts what a systemd host has, runs the one program that its kernel's
# command line names, with that program's words on ttyS1, and powers off.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export KVMIO_TEST_SLOWNESS=10 # an emulated host on a machine with other work
export HOME=/root TMPDIR=/var/tmp LC_ALL=C TAP_TIMEOUT=0 LAB_OUTPUT=/var/tmp/output

mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 run /run
mkdir -p /dev/pts /dev/shm /run/lock "$LAB_OUTPUT"
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
hostname lab

/lib/systemd/systemd-udevd --daemon
modprobe -a kvm_amd nvme loop
udevadm trigger --action=add --subsystem-match=block
udevadm settle --timeout=60

set -f # a word may have a * in it
words=
for word in $(cat /proc/cmdline); do
  case $word in
    lab.program=*) program=${word#*=} ;;
    lab.node=*) node=${word#*=} ;;
    lab.word=*) words="$words ${word#*=}" ;;
  esac
done
stty -F /dev/ttyS1 raw -echo
cd /var/tmp
# Under the emulator Node now and then dies of SIGSEGV, SIGTRAP or SIGILL as it starts, before any test (one start in ten).
for try in 1 2 3 4 5; do
  began=$(date +%s)
  "$node" "$program" $words >/dev/ttyS1 2>&1
  code=$?
  case $code in 132 | 133 | 134 | 139) ;; *) break ;; esac
  [ $(($(date +%s) - began)) -lt 60 ] || break
  echo "lab: node died at its start; once more" >/dev/ttyS1
done
echo "lab: exit $code" >/dev/ttyS1
tar -C "$LAB_OUTPUT" -cf /dev/disk/by-id/virtio-output .
sync
busybox poweroff -f
