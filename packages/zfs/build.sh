#!/bin/bash
# Builds the ZFS kernel modules from Debian's zfs-dkms source against the kernel headers of the same tree, without
# dkms. Runs in the SDK's sandbox: / is the tool tree, /build is ours. /out/result is a tar of both modules.
set -eu
umask 022
mkdir -p /build/src
if [ -d /headers ]; then
  # A kernel of ours: one folder, without debug information.
  cp -a /headers /build/src/obj
  common=/build/src/obj
else
  headers=$(echo /usr/src/linux-headers-*-amd64)
  common=$(echo /usr/src/linux-headers-*-common)
  if [ ! -d "$headers" ] || [ ! -d "$common" ]; then
    echo "expected the headers of exactly one kernel in /usr/src, found: $(echo /usr/src/linux-headers-*)" >&2
    exit 1
  fi
  # A copy of the object tree, because its auto.conf asks for debug information and BTF, which would be stripped
  # again and cost half of the time (and pahole).
  cp -a "$headers" /build/src/obj
  ln -s /usr/lib /build/lib # where the links of obj/ lead
  sed -i -E '/^CONFIG_DEBUG_INFO/d' /build/src/obj/include/config/auto.conf
fi

cp -a /usr/src/zfs-* /build/zfs
cd /build/zfs
export KERNEL_CC=gcc-14 CC=gcc-14
# What update-alternatives would have linked.
mkdir /tmp/bin
ln -s /usr/bin/gawk /tmp/bin/awk
ln -s /usr/bin/gcc-14 /tmp/bin/cc
export PATH=/tmp/bin:$PATH
echo 'zfs: configure' >&2
if ! ./configure --with-config=kernel --with-linux="$common" --with-linux-obj=/build/src/obj >/build/configure.log 2>&1; then
  tail -n 40 /build/configure.log >&2
  exit 1
fi
echo 'zfs: make' >&2
if ! make -s -j"$JOBS" -C module modules >/build/make.log 2>&1; then
  tail -n 40 /build/make.log >&2
  exit 1
fi
release=$(cat /build/src/obj/include/config/kernel.release)
extra=usr/lib/modules/$release/extra
mkdir -p "/build/out/$extra"
for module in spl zfs; do
  strip --strip-debug --remove-section=.comment -o "/build/out/$extra/$module.ko" module/$module.ko
done
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=0644 --format=gnu -C /build/out -cf /out/result \
  "$extra/spl.ko" "$extra/zfs.ko"
