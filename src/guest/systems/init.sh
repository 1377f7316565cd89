#!/bin/busybox sh
# The appliance's init: loads what its disks need and does what the kernel's command line says, see workload.sh. This
# busybox finds its applets by itself, with nothing in PATH.

# Where the kernel's own words and this script's mishaps go is the console, ttyS0.
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev
busybox mkdir -p /run/kvmio
. /workload.sh

open_channel
say phase boot
mount -t sysfs sys /sys

power_off() {
  sample_once
  say end $finished
  close_channel
  poweroff -f
}
own_room() {
  fail prepare "the appliance is on no drive"
}
need() {
  for driver in "$@"; do load "$driver"; done
}

read -r release </proc/sys/kernel/osrelease
say fact kernel "$release"
read -r words </proc/cmdline
read_words "$words"

# Only what this machine has is loaded: each insmod costs 10 to 100 ms under TCG. A line of
# /modules.order is a driver and its files, dependencies first.
loaded=' '
load() {
  while read -r driver files; do
    [ "$driver" = "$1" ] || continue
    for file in $files; do
      case $loaded in *" $file "*) continue ;; esac
      options=
      # A path of a multipath disk is hidden, and its head stands below no PCI device.
      [ "$file" != nvme_core.ko ] || options=multipath=N
      try "loading $file" insmod "/modules/$file" $options
      loaded="$loaded$file "
    done
  done </modules.order
}
load_for() {
  set +f
  for modalias in $1; do
    set -f
    read -r alias <"$modalias" || continue
    case $alias in
      pci:v00001AF4*) load virtio_pci ;;
      pci:v00001000*) load sym53c8xx; load sd_mod ;;
      pci:v000015ADd000007C0*) load vmw_pvscsi; load sd_mod ;;
      pci:*bc01sc06i01*) load ahci; load sd_mod ;;
      pci:*bc01sc08i02*) load nvme ;;
      virtio:d00000002*) load virtio_blk ;;
      virtio:d00000005*) load virtio_balloon ;;
      virtio:d00000008*) load virtio_scsi; load sd_mod ;;
    esac
  done
  set -f
}
load_for '/sys/bus/pci/devices/*/modalias'
load_for '/sys/bus/virtio/devices/*/modalias'

case $workload in
  fio | script)
    load qemu_fw_cfg
    fetch_files job script
    ;;
esac

# qemu's machine `pc` always has the IDE controller: it is asked last, and only when disks lack.
find_disks
if missing; then
  load ata_piix
  load sd_mod
fi
await_disks
begin_sampling
run_workload
