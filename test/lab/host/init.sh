#!/bin/busybox sh
# The lab host's first seconds: its root disk, and the folders that the machine outside shares with it. What comes next
# is in one of these, so that a change to it needs no new image.
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev
loaded=' '
while read -r driver files; do
  case $driver in virtio_pci | virtio_blk | ext4) ;; *) continue ;; esac
  for file in $files; do
    case $loaded in *" $file "*) continue ;; esac
    busybox insmod "/modules/$file" || echo "lab: cannot load $file"
    loaded="$loaded$file "
  done
done </modules.order
for try in 1 2 3 4 5 6 7 8 9 10; do
  busybox mount -t ext4 /dev/vda /mnt && break
  busybox sleep 0.5
done
busybox mount -o move /dev /mnt/dev
busybox mount -o move /proc /mnt/proc

read -r words </mnt/proc/cmdline
for word in $words; do
  case $word in
    lab.shares=*) shares=${word#*=} ;;
    lab.script=*) script=${word#*=} ;;
  esac
done
# At the same places as outside: a link that leads from one into the other stays good.
busybox chroot /mnt modprobe -a 9pnet_virtio 9p
tag=0
for place in $(IFS=,; echo $shares); do
  busybox mkdir -p "/mnt$place"
  busybox mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 \
    "share$tag" "/mnt$place"
  tag=$((tag + 1))
done
exec busybox switch_root /mnt /bin/sh "$script"
