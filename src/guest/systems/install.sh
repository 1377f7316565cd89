#!/bin/sh
# Installs a system onto an empty disk, in the root of the package drive: the disk, and the kind of
# system. What it says on its output, init.sh hands on to the phase channel; the words
# of its tools go to a log.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive
disk=$1 kind=$2
log=/tmp/log

try() {
  step=$1
  shift
  "$@" >>$log 2>&1 </dev/null && return
  words=$(grep -i -m 1 -e 'error' -e '^E:' $log || tail -n 1 $log)
  echo "error $step: ${words:-the last command said nothing}"
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

# The least that dpkg makes something of that runs a shell: for tests.
MINIMAL='base-files base-passwd gcc-*-base libgcc-s1 libcrypt1 libc6 debianutils dash libdebconfclient0
  libpcre2-8-0 libselinux1'
debs() { for name; do echo /packages/pool/${name}_*.deb; done; }
dpkg_alone() {
  dpkg --root=/target --log=/target/var/log/dpkg.log --force-script-chrootless --force-depends "$@"
}
# Scripts run with the tools of this root, as Debian's essential packages allow.
unpack_minimal() {
  mkdir -p /target/etc /target/var/log /target/var/cache/debconf /target/var/lib/dpkg/info \
    /target/var/lib/dpkg/updates
  cp /etc/debconf.conf /target/etc/
  : >/target/var/lib/dpkg/status
  dpkg_alone --unpack $(debs $MINIMAL)
}
strap() {
  suite=$1
  shift
  debootstrap --foreign --no-check-gpg --variant=minbase "$@" "$suite" /target file:///packages
}

echo phase unpack
read -r suite </suite
read -r include </include
case $kind in
  minimal) try unpack unpack_minimal ;;
  *) try unpack strap "$suite" ${include:+--include=$include} ;;
esac
cp -a /before/. /target/

echo phase configure
case $kind in
  minimal) try configure dpkg_alone --configure --pending ;;
  *) try configure chroot /target /debootstrap/debootstrap --second-stage ;;
esac
echo 'LABEL=kvmio-root / ext4 defaults,errors=remount-ro 0 0' >/target/etc/fstab
echo installed >/target/etc/hostname
[ ! -d /after ] || try configure cp -a /after/. /target/
rm -f /target/var/cache/apt/archives/*.deb

# As grub-install has it: the boot record's code in front of the partition table, the core behind it.
if [ -e /grub ]; then
  echo phase bootloader
  read -r modules </grub
  core=/boot/grub/core.img
  try bootloader chroot /target grub-mkimage -O i386-pc -o $core -p '(,msdos1)/boot/grub' $modules
  try bootloader dd if=/target/usr/lib/grub/i386-pc/boot.img of="$disk" bs=440 count=1 conv=notrunc
  try bootloader dd if=/target$core of="$disk" bs=512 seek=1 conv=notrunc
fi

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
