#!/bin/sh
# Installs a system onto an empty disk, in the root of the package drive: the disk, the kind of
# system, and packages beside its own. What it says on its output, init.sh hands on to the phase channel; the words
# of its tools go to a log.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive
disk=$1 kind=$2 include=$3
log=/tmp/log

try() {
  step=$1
  shift
  "$@" >>$log 2>&1 </dev/null && return
  echo "error $step: $(grep -v '^$' $log | tail -n 1)"
  cat $log >&2
  echo failed
  exit
}

echo phase partition
# Where every tool puts the first partition, with room for a boot loader in front of it.
echo 'start=1MiB, type=83, bootable' >/tmp/table
partition() { sfdisk --quiet --label dos --wipe always "$disk" </tmp/table; }
step=partition
partition >>$log 2>&1 || try partition false
case $disk in
  *[0-9]) part=${disk}p1 ;;
  *) part=${disk}1 ;;
esac

echo phase mkfs
# The tables are written now, not by the kernel in the background of what is measured.
try mkfs mkfs.ext4 -q -F -L kvmio-root -E lazy_itable_init=0,lazy_journal_init=0 "$part"
try mkfs mount -t ext4 "$part" /target

# One after the other as dpkg takes them: a package's files first, its scripts when all are there.
debs() { for name; do echo /packages/pool/"${name}"_*.deb; done; }
unpack_minimal() {
  mkdir -p /target/var/lib/dpkg/info /target/var/lib/dpkg/updates
  : >/target/var/lib/dpkg/status
  # Their scripts need the tools that they bring: the files alone, as debootstrap does it.
  for deb in $(debs "$@"); do try unpack dpkg-deb --extract "$deb" /target; done
  try unpack dpkg --root=/target --force-depends --unpack $(debs "$@")
}
strap() {
  suite=$1
  shift
  debootstrap --foreign --no-check-gpg --variant=minbase "$@" "$suite" /target file:///packages
}

echo phase unpack
read -r suite </suite
case $kind in
  minimal) unpack_minimal $(cat /minimal) ;;
  *) try unpack strap "$suite" ${include:+--include=$include} ;;
esac

echo phase configure
case $kind in
  minimal) try configure dpkg --root=/target --force-depends --configure --pending ;;
  *) try configure chroot /target /debootstrap/debootstrap --second-stage ;;
esac
echo 'LABEL=kvmio-root / ext4 defaults,errors=remount-ro 0 0' >/target/etc/fstab
echo installed >/target/etc/hostname
rm -f /target/var/cache/apt/archives/*.deb

echo phase shutdown
echo "fact packages $(grep -c '^Status: install ok installed$' /target/var/lib/dpkg/status)"
broken=$(grep '^Status: ' /target/var/lib/dpkg/status | grep -vc '^Status: install ok installed$')
[ "$broken" = 0 ] || {
  echo "error configure: $broken packages are not configured"
  echo failed
  exit
}
echo "fact installed_bytes $(($(df --output=used -B1 /target | tail -n 1)))"
try shutdown sync
try shutdown umount /target
echo passed
