#!/bin/sh
# What runs in a system with an init of its own, when that has reached multi-user.target: does what it was told, see
# workload.sh, and shuts down. The service's own words go to the console.

. /usr/local/lib/kvmio/workload.sh
mkdir -p $here
open_channel
say phase boot

# An orderly shutdown writes too, so the last lines are left to what systemd runs last: shutdown.sh.
power_off() {
  echo "$found" >$here/found
  close_channel
  echo $finished >$here/outcome
  if [ -d /run/systemd/system ]; then
    systemctl --no-block poweroff
  else
    . /usr/local/lib/kvmio/shutdown.sh
    poweroff
  fi
}
# The image's filesystem is smaller than the drive when it starts; one that has no partition, or cloud-init, is left alone.
own_room() {
  disk_of "$root"
  for part in "/sys/block/$disk/${disk}1" "/sys/block/$disk/${disk}p1"; do
    [ ! -e /usr/local/lib/kvmio/grow ] || [ ! -d "$part" ] || grow "$disk" "$part"
  done
  room=/var/lib/kvmio
  try prepare mkdir -p $room
  target=/dev/$disk
}
need() {
  :
}
# Rewrites the end of the first partition in the boot record, tells the kernel, and lets the filesystem fill it.
PARTITION_LENGTH=458 # of the first entry, little-endian, sectors
grow() {
  read -r size <"/sys/block/$1/size"
  read -r start <"$2/start"
  read -r length <"$2/size"
  wanted=$((size - start))
  [ $wanted -gt "$length" ] || return
  bytes=$(printf '\\%03o\\%03o\\%03o\\%03o' $((wanted & 255)) $((wanted >> 8 & 255)) \
    $((wanted >> 16 & 255)) $((wanted >> 24 & 255)))
  printf "$bytes" | dd of="/dev/$1" bs=1 seek=$PARTITION_LENGTH conv=notrunc status=none 2>$here/said ||
    fail prepare
  try prepare partx --update --nr 1 "/dev/$1"
  try prepare resize2fs "/dev/${2##*/}" >/dev/null
}

read -r release </proc/sys/kernel/osrelease
say fact kernel "$release"
# A seed has put them there already.
if [ ! -e $here/words ]; then
  modprobe qemu_fw_cfg
  fetch_files words job script
fi
read_words "$(cat $here/words)"
await_disks
begin_sampling
run_workload
