# What a guest does, whatever its system: says on ttyS1 what it does and runs the workload that it was told. The lines are
# those of src/source/phase-channel.ts. For a POSIX shell, busybox' as dash; sourced by init.sh and agent.sh, which define
#   need DRIVER...   loads what the kernel needs for it
#   own_room         room for the workload on the drive that the system itself is on
#   power_off        the end, after the last line or with it

set -f # no word of what is told is a pattern
here=/run/kvmio # the state of this boot, in memory
lines=$here/lines
finished=failed
sampler=

# Lines from several processes get their numbers from one writer. Below PIPE_BUF (4096 bytes) a
# write to a fifo is never mixed with another's.
open_channel() {
  mkfifo $lines
  exec 4<>$lines
  write_lines &
  writer=$!
}
write_lines() {
  stty -F /dev/ttyS1 raw -echo
  exec 6>/dev/ttyS1
  seq=0
  while read -r line <&4 && [ "$line" != quit ]; do
    seq=$((seq + 1))
    echo "kvmio $seq $line" >&6
  done
  echo $seq >$here/seq
}
# The writer closes ttyS1, and so waits until it is drained.
close_channel() {
  echo quit >&4
  wait "$writer"
}
say() {
  read -r uptime idle </proc/uptime
  printf '%.1000s\n' "$uptime $*" >&4
}

# Every failing step ends here: what it was, the last line that it said, power off.
fail() {
  step=$1
  shift
  say error "$step: ${*:-$(tail -n 1 $here/said)}"
  umount /mnt 2>/dev/null
  finish failed
}
# Sampling stops, and the last line of each disk is said by power_off, when nothing more is written.
finish() {
  finished=$1
  [ -z "$sampler" ] || kill "$sampler"
  wait "$sampler" 2>/dev/null
  power_off
  exit
}
try() {
  step=$1
  shift
  "$@" 2>$here/said || fail "$step"
}

workload= drives= root= drive= write=0 block=0 direct=0 to=device settle=0 time=0 timeout=0 set=
read_words() {
  for word in $1; do
    value=${word#*=}
    case $word in
      kvmio.workload=*) workload=$value ;;
      kvmio.drives=*) drives=$(IFS=,; echo $value) ;;
      kvmio.passthrough=*) passthrough=$(IFS=,; echo $value) ;;
      kvmio.root=*) root=$value ;;
      kvmio.drive=*) drive=$value ;;
      kvmio.write=*) write=$value ;;
      kvmio.bs=*) block=$value ;;
      kvmio.direct=*) direct=$value ;;
      kvmio.to=*) to=$value ;;
      kvmio.settle=*) settle=$value ;;
      kvmio.time=*) time=$value ;;
      kvmio.timeout=*) timeout=$value ;;
      kvmio.set=*) set=$value ;;
    esac
  done
}
# What is too long for words comes as files of qemu's fw_cfg: opt/kvmio/NAME.
fetch_files() {
  for name in "$@"; do
    file=/sys/firmware/qemu_fw_cfg/by_name/opt/kvmio/$name/raw
    [ ! -e "$file" ] || cat "$file" >"$here/$name"
  done
}

# Uptime in hundredths of a second.
now() {
  read -r uptime idle </proc/uptime
  now=$((${uptime%.*} * 100 + 1${uptime#*.} - 100))
}

# The serial number is the drive's name. SCSI and ATA disks have it behind the 4 bytes of the vital
# product data page's header, padded with spaces.
serial_of() {
  serial=
  if [ -n "$passthrough" ]; then
    place=$(readlink -f "/sys/block/$1/device")
    for pair in $passthrough; do
      case $place/ in */"${pair#*@}"/*) serial=${pair%@*}; return ;; esac
    done
  fi
  if [ -e "/sys/block/$1/serial" ]; then
    read -r serial <"/sys/block/$1/serial"
  elif [ -e "/sys/block/$1/device/serial" ]; then
    read -r serial <"/sys/block/$1/device/serial"
  elif [ -e "/sys/block/$1/device/vpd_pg80" ]; then
    serial=$(tail -c +5 "/sys/block/$1/device/vpd_pg80" 2>/dev/null)
  fi
  set -- $serial
  serial=$1
}
# The first driver on the way from the disk up to the PCI bus; sd is every SCSI and ATA disk's.
driver_of() {
  driver=unknown
  place=$(readlink -f "/sys/block/$1/device")
  while [ "$place" != /sys/devices ] && [ -n "$place" ]; do
    if [ -e "$place/driver" ]; then
      driver=$(readlink "$place/driver")
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
WAIT=6000
await_disks() {
  find_disks
  now
  began=$now
  while missing; do
    now
    [ $((now - began)) -lt $WAIT ] ||
      fail disks "no disk with the serial number$lacking in 60 s; there is${found:- none}"
    sleep 0.05
    find_disks
  done
}

# A line for each disk.
sample_once() {
  while read -r major minor disk stat; do
    for pair in $found; do
      case $pair in *"=$disk="*) say disk "${pair%%=*}" "$disk" "${pair##*=}" "$stat" ;; esac
    done
  done </proc/diskstats
}
sample() {
  while :; do
    sample_once
    sleep 1
  done
}
begin_sampling() {
  sample &
  sampler=$!
}

# Writes $write bytes: a stretch of random bytes again and again, since zeros are cheaper than data
# to more than one layer (detect-zeroes, sparse files, compression).
STRETCH=8388608
write_all() {
  per=$((STRETCH / block))
  [ $per -gt 0 ] || per=1
  blocks=$((write / block))
  [ $per -le $blocks ] || per=$((blocks > 0 ? blocks : 1))
  try prepare dd if=/dev/urandom of=$here/random bs="$block" count=$per \
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
    try write dd if=$here/random of="$1" bs="$block" count=$count seek=$at conv=notrunc \
      status=none $flags
    at=$((at + count))
  done
  if [ $rest -gt 0 ]; then
    flags="${flags:-oflag=seek_bytes}${flags:+,seek_bytes}"
    try write dd if=$here/random of="$1" bs=$rest count=1 seek=$((at * block)) \
      conv=notrunc status=none $flags
  fi
  have_on_drive "$1"
  now
  say fact write_bytes "$write"
  took=$((now - began))
  say fact write_seconds "$((took / 100)).$((took / 10 % 10))$((took % 10))"
}

# Has all of a file or disk on the drive, its cache flushed, whoever wrote it. Not by an fsync of the file where there is
# no journal: when writeback was quicker, Linux 6.1 finds its inode clean and returns without a flush
# (ext4_fsync_nojournal, fs/ext4/fsync.c; mended since), and what was written may be in the host's memory alone.
have_on_drive() {
  if [ "$room" = /mnt ]; then
    try write sync -f "$1"
  else
    try write sync "$1"
  fi
}

# Where the workload works: $target is the disk, $room a folder on it unless it is to be the bare disk. The drive of the
# system has a filesystem already; any other gets a new one.
make_room() {
  disk_of "$drive"
  target=/dev/$disk
  room=
  [ "$to" = filesystem ] || return
  if [ "$drive" = "$root" ]; then
    own_room
    return
  fi
  need ext4
  # Without reserved blocks, and few inodes: their tables are written at once.
  try prepare mke2fs -q -F -m 0 -i 65536 "$target" >/dev/null
  room=/mnt
  try prepare mount -t ext2 "$target" $room
  try prepare sync
}
leave_room() {
  [ "$room" != /mnt ] || try shutdown umount /mnt
  sync
}

boot_write_shutdown() {
  say phase prepare
  make_room
  [ -z "$room" ] || target=$room/written
  write_all "$target"
  say phase settle
  sleep "$settle"
  say phase shutdown
  leave_room
}

# Runs a command in its folder, its output in $here/output, for $timeout at the most; 124 says that it was longer.
run_limited() {
  rm -f $here/late
  cd "${room:-/}" || return
  setsid "$@" </dev/null >$here/output 2>&1 &
  command=$!
  cd /
  (
    sleep "$timeout"
    : >$here/late
    kill -s KILL -- "-$command"
  ) 2>/dev/null &
  watchdog=$!
  wait "$command"
  code=$?
  kill "$watchdog" 2>/dev/null
  wait "$watchdog" 2>/dev/null
  [ ! -e $here/late ] || code=124
}
# What a command printed last, on one line.
last_words() {
  tail -n 5 $here/output | {
    joined=
    while read -r line || [ -n "$line" ]; do joined="$joined${joined:+; }$line"; done
    echo "$joined"
  } | tr -cd '\40-\176'
}
ended_badly() {
  words=$(last_words)
  case $code in
    124) fail "$1" "did not end in ${timeout%.*} s${words:+; $words}" ;;
    *) fail "$1" "exited with code $code${words:+; $words}" ;;
  esac
}
export_place() {
  export KVMIO_DISK="$target" KVMIO_DIRECTORY="$room" KVMIO_DRIVE="$drive"
}

# A file, in lines that the channel takes: packed, in base 64, so many characters a line.
say_result() {
  gzip -c "$2" | base64 -w 900 >$here/packed
  parts=$(wc -l <$here/packed)
  part=0
  while read -r piece; do
    part=$((part + 1))
    say result "$1" "$part" "$parts" "$piece"
  done <$here/packed
}

run_fio() {
  say phase prepare
  make_room
  export_place
  say phase fio
  run_limited fio --output-format=json --output=$here/fio.json $here/job
  [ "$code" = 0 ] || ended_badly fio
  say_result fio $here/fio.json
  say phase shutdown
  leave_room
}

run_script() {
  say phase prepare
  make_room
  export_place
  say phase script
  run_limited sh $here/script
  [ "$code" = 0 ] || ended_badly script
  say phase shutdown
  leave_room
}

# The package drive is the installer's own root, and has what it installs. It says what it does in lines of the channel.
install_system() {
  disk_of packages
  source=/dev/$disk
  disk_of "$drive"
  need ext4
  try boot mount -t ext4 -o ro "$source" /mnt
  try boot mount -t proc proc /mnt/proc
  try boot mount -t sysfs sys /mnt/sys
  try boot mount -t devtmpfs dev /mnt/dev
  try boot mount -t tmpfs tmp /mnt/tmp
  try boot cp /install.sh /mnt/tmp/install
  chroot /mnt /bin/sh /tmp/install "/dev/$disk" "$set" 2>/dev/console | while read -r kind rest; do
    case $kind in
      passed | failed) echo "$kind" >$here/installed ;;
      *) say "$kind" "$rest" ;;
    esac
  done
  read -r outcome <$here/installed || fail install "the installer ended without a word"
  finish "$outcome"
}

run_workload() {
  case $workload in
    install) install_system ;;
    boot-write-shutdown) boot_write_shutdown ;;
    fio) run_fio ;;
    script) run_script ;;
    idle)
      say phase idle
      sleep "$time"
      say phase shutdown
      ;;
    *) fail boot "no workload ${workload:-named} in this system" ;;
  esac
  finish passed
}
