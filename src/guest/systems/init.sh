#!/bin/busybox sh
# The appliance's init: says on ttyS1 what it does, runs the workload that the kernel's command line
# names, and powers off. The lines are those of src/source/phase-channel.ts.

set -f # no word of the command line is a pattern
export PATH=/bin

# Where the kernel's own words and this script's mishaps go is the console, ttyS0.
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev

# Lines from several processes get their numbers from one writer. Below PIPE_BUF (4096 bytes) a
# write to a fifo is never mixed with another's.
busybox mkfifo /lines /ticks
exec 4<>/lines 5<>/ticks
write_lines() {
  busybox stty -F /dev/ttyS1 raw -echo
  exec 6>/dev/ttyS1
  seq=0
  while read -r line <&4 && [ "$line" != quit ]; do
    seq=$((seq + 1))
    echo "kvmio $seq $line" >&6
  done
}
say() {
  read -r uptime idle </proc/uptime
  printf '%.1000s\n' "$uptime $*" >&4
}
say phase boot
write_lines &
writer=$!

busybox mount -t sysfs sys /sys

# Every failing step ends here: what it was, the last line that it said, power off.
fail() {
  step=$1
  shift
  say error "$step: ${*:-$(busybox tail -n 1 /tmp/said)}"
  busybox umount /mnt 2>/dev/null
  finish failed
}
# The writer has closed ttyS1, and so waited until it was drained, before the power goes.
finish() {
  if [ -n "$sampler" ]; then
    echo stop >&5
    wait "$sampler"
  fi
  say end "$1"
  echo quit >&4
  wait "$writer"
  busybox poweroff -f
}
try() {
  step=$1
  shift
  "$@" 2>/tmp/said || fail "$step"
}

read -r release </proc/sys/kernel/osrelease
say fact kernel "$release"

workload= drives= passthrough= drive= write=0 block=0 direct=0 to=device settle=0 time=0
read -r words </proc/cmdline
for word in $words; do
  value=${word#*=}
  case $word in
    kvmio.workload=*) workload=$value ;;
    kvmio.drives=*) drives=$(IFS=,; echo $value) ;;
    kvmio.passthrough=*) passthrough=$(IFS=,; echo $value) ;;
    kvmio.drive=*) drive=$value ;;
    kvmio.write=*) write=$value ;;
    kvmio.bs=*) block=$value ;;
    kvmio.direct=*) direct=$value ;;
    kvmio.to=*) to=$value ;;
    kvmio.settle=*) settle=$value ;;
    kvmio.time=*) time=$value ;;
  esac
done

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
      try "loading $file" busybox insmod "/modules/$file" $options
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

# Uptime in hundredths of a second.
now() {
  read -r uptime idle </proc/uptime
  now=$((${uptime%.*} * 100 + 1${uptime#*.} - 100))
}

# The serial number is the drive's name, except for a disk of hardware that was passed through: it is known by where its
# controller is. SCSI and ATA disks have it behind the 4 bytes of the vital
# product data page's header, padded with spaces.
serial_of() {
  serial=
  if [ -n "$passthrough" ]; then
    place=$(busybox readlink -f "/sys/block/$1/device")
    for pair in $passthrough; do
      case $place/ in */"${pair#*@}"/*) serial=${pair%@*}; return ;; esac
    done
  fi
  if [ -e "/sys/block/$1/serial" ]; then
    read -r serial <"/sys/block/$1/serial"
  elif [ -e "/sys/block/$1/device/serial" ]; then
    read -r serial <"/sys/block/$1/device/serial"
  elif [ -e "/sys/block/$1/device/vpd_pg80" ]; then
    serial=$(busybox tail -c +5 "/sys/block/$1/device/vpd_pg80" 2>/dev/null)
  fi
  set -- $serial
  serial=$1
}
# The first driver on the way from the disk up to the PCI bus; sd is every SCSI and ATA disk's.
driver_of() {
  driver=unknown
  place=$(busybox readlink -f "/sys/block/$1/device")
  while [ "$place" != /sys/devices ] && [ -n "$place" ]; do
    if [ -e "$place/driver" ]; then
      driver=$(busybox readlink "$place/driver")
      driver=${driver##*/}
      [ "$driver" = sd ] || return
    fi
    place=${place%/*}
  done
}
# A list of SERIAL=DISK=DRIVER.
found= known=' '
find_disks() {
  set +f
  for path in /sys/block/*; do
    set -f
    disk=${path##*/}
    case $known in *" $disk "*) continue ;; esac
    serial_of "$disk"
    [ -n "$serial" ] || continue
    driver_of "$disk"
    known="$known$disk "
    found="$found $serial=$disk=$driver"
  done
  set -f
}
disk_of() {
  disk=
  for pair in $found; do
    case $pair in "$1="*) disk=${pair#*=}; disk=${disk%%=*} ;; esac
  done
}
missing() {
  lacking=
  for name in $drives; do
    disk_of "$name"
    [ -n "$disk" ] && [ -b "/dev/$disk" ] || lacking="$lacking $name"
  done
  [ -n "$lacking" ]
}
# qemu's machine `pc` always has the IDE controller: it is asked last, and only when disks lack.
WAIT=6000
find_disks
if missing; then
  load ata_piix
  load sd_mod
fi
now
began=$now
while missing; do
  now
  [ $((now - began)) -lt $WAIT ] ||
    fail disks "no disk with the serial number$lacking in 60 s; there is${found:- none}"
  busybox sleep 0.05
  find_disks
done

# A line a second for each disk, and one more when it is told to stop. Waiting for a tick that never
# comes is a sleep without a process.
sample() {
  while :; do
    while read -r major minor disk stat; do
      for pair in $found; do
        case $pair in *"=$disk="*) say disk "${pair%%=*}" "$disk" "${pair##*=}" "$stat" ;; esac
      done
    done </proc/diskstats
    [ -z "$stop" ] || return
    read -r -t 1 stop <&5
  done
}
sample &
sampler=$!

# Writes $write bytes: a stretch of random bytes again and again, since zeros are cheaper than data
# to more than one layer (detect-zeroes, sparse files, compression). The last dd has the data on the
# drive before it ends; a file's fsync is for all of it, whoever wrote it.
STRETCH=8388608
write_all() {
  per=$((STRETCH / block))
  [ $per -gt 0 ] || per=1
  blocks=$((write / block))
  [ $per -le $blocks ] || per=$((blocks > 0 ? blocks : 1))
  try prepare busybox dd if=/dev/urandom of=/tmp/random bs="$block" count=$per \
    iflag=fullblock status=none
  flags=
  [ "$direct" = 0 ] || flags=oflag=direct
  say phase write
  now
  began=$now
  at=0
  rest=$((write % block))
  while [ $at -lt $blocks ]; do
    count=$((blocks - at < per ? blocks - at : per))
    conv=notrunc
    [ $((at + count)) -lt $blocks ] || [ $rest -gt 0 ] || conv=notrunc,fsync
    try write busybox dd if=/tmp/random of="$1" bs="$block" count=$count seek=$at conv=$conv \
      status=none $flags
    at=$((at + count))
  done
  if [ $rest -gt 0 ]; then
    flags="${flags:-oflag=seek_bytes}${flags:+,seek_bytes}"
    try write busybox dd if=/tmp/random of="$1" bs=$rest count=1 seek=$((at * block)) \
      conv=notrunc,fsync status=none $flags
  fi
  now
  say fact write_bytes "$write"
  took=$((now - began))
  say fact write_seconds "$((took / 100)).$((took / 10 % 10))$((took % 10))"
}

boot_write_shutdown() {
  disk_of "$drive"
  target=/dev/$disk
  say phase prepare
  if [ "$to" = filesystem ]; then
    load ext4
    # Without reserved blocks, and few inodes: their tables are written at once.
    try prepare busybox mke2fs -F -m 0 -i 65536 "$target" >/dev/null
    try prepare busybox mount -t ext2 "$target" /mnt
    try prepare busybox sync
    target=/mnt/written
  fi
  write_all "$target"
  say phase settle
  busybox sleep "$settle"
  say phase shutdown
  [ "$to" = device ] || try shutdown busybox umount /mnt
  busybox sync
}

case $workload in
  boot-write-shutdown) boot_write_shutdown ;;
  idle)
    say phase idle
    busybox sleep "$time"
    say phase shutdown
    ;;
  *) fail boot "no workload ${workload:-named} in this appliance" ;;
esac
finish passed
