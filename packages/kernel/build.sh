#!/bin/bash
# Configures or builds a kernel out of Debian's linux-source. Runs in the SDK's sandbox: / is the tool tree, /source the
# unpacked source package, /build is kept from run to run, /out/result is what comes of it.
#   build.sh options     → each option with what it depends on, by its own lines and the `if` blocks it stands in
#   build.sh config      → the .config that comes of /fragment
#   build.sh drivers     → what a kernel configured by /config will have, built in or as a module
#   build.sh kernel      → that kernel with its modules and headers, as a tar
set -euo pipefail
umask 022
linux=/build/linux
# What update-alternatives would have linked.
mkdir /tmp/bin
ln -s /usr/bin/gawk /tmp/bin/awk
ln -s /usr/bin/gcc-14 /tmp/bin/cc
ln -s /usr/bin/gcc-14 /tmp/bin/gcc
export PATH=/tmp/bin:$PATH

if [ ! -e "$linux" ]; then
  echo 'kernel: unpack' >&2
  rm -rf /build/unpacked
  mkdir /build/unpacked
  tar -C /build/unpacked --strip-components=1 -xf /source/usr/src/linux-source-*.tar.xz
  mv /build/unpacked "$linux"
fi

# Nothing of the building machine: who, where, when, which try.
export KBUILD_BUILD_USER=draisine KBUILD_BUILD_HOST=draisine KBUILD_BUILD_VERSION=1
KBUILD_BUILD_TIMESTAMP=@$(stat -c %Y "$linux/Makefile")
export KBUILD_BUILD_TIMESTAMP

log=/tmp/log
run() {
  # Every fiftieth object is a sign of life: a whole kernel takes a while.
  if ! make -C "$linux" "$@" 2>&1 | tee $log |
    awk '/^  (CC|AS|LD|AR|HOSTCC)/ { if (++n % 50 == 0) { print "kernel: " n " objects" > "/dev/stderr"; fflush() } }'; then
    # The first error is what matters; make goes on with what runs beside it.
    grep -m1 -B8 -A8 -E '(error|Error|undefined reference)[: ]' $log >&2 || tail -n 30 $log >&2
    exit 1
  fi
}

case $1 in
config)
  echo 'kernel: configure' >&2
  mkdir -p /build/config
  run O=/build/config KCONFIG_ALLCONFIG=/fragment allnoconfig
  cp /build/config/.config /out/result
  ;;
options)
  cd "$linux"
  find . -name 'Kconfig*' ! -path './arch/*' -o -name 'Kconfig*' -path './arch/x86/*' -o -path ./arch/Kconfig | LC_ALL=C sort |
    xargs awk '
      FNR == 1 { depth = 0; option = "" }
      /^(menu)?config[ \t]/ || /^[ \t]+(menu)?config[ \t]+[A-Z0-9_]+$/ {
        option = $2
        print option "\t"
        for (level = 1; level <= depth; level++) print option "\tstands in if " block[level]
        next
      }
      /^if[ \t]/ { sub(/^if[ \t]+/, ""); block[++depth] = $0; option = ""; next }
      /^endif/ { if (depth > 0) depth--; option = ""; next }
      /^(menu|choice|comment|source|end)/ { option = ""; next }
      option && /^[ \t]+depends on/ { sub(/^[ \t]+depends on/, "depends on"); print option "\t" $0 }
    ' >/out/result
  ;;
drivers)
  cd "$linux"
  find . -name Makefile ! -path './arch/*' ! -path './tools/*' -o -name Makefile -path './arch/x86/*' | LC_ALL=C sort |
    xargs awk '
      FILENAME == ARGV[1] { if (match($0, /^CONFIG_[A-Za-z0-9_]+=[ym]$/)) on[substr($0, 8, length($0) - 9)]; next }
      { line = line $0 }
      /\\$/ { sub(/\\$/, " ", line); next }
      {
        if (match(line, /^obj-\$\(CONFIG_[A-Za-z0-9_]+\)/)) {
          option = substr(line, 14, RLENGTH - 14)
          sub(/^[^=]*=/, "", line)
          if (option in on) {
            count = split(line, words)
            for (i = 1; i <= count; i++) if (sub(/\.o$/, "", words[i])) print words[i]
          }
        }
        line = ""
      }
    ' /config | LC_ALL=C sort -u >/out/result
  ;;
kernel)
  mkdir -p /build/obj
  # Touched only when it differs: make then knows which options changed.
  cmp -s /config /build/obj/.config || cp /config /build/obj/.config
  cmp -s /certificate.pem /build/certificate.pem || cp /certificate.pem /build/certificate.pem
  echo 'kernel: compile' >&2
  run O=/build/obj olddefconfig
  if ! cmp -s /config /build/obj/.config; then
    echo 'the configuration is not the one that was given: it was made for another kernel or compiler' >&2
    diff /config /build/obj/.config | head -n 20 >&2
    rm /build/obj/.config
    exit 1
  fi
  run O=/build/obj -j"$JOBS" bzImage modules
  echo 'kernel: install' >&2
  release=$(cat /build/obj/include/config/kernel.release)
  tree=/build/tree
  rm -rf $tree
  mkdir -p $tree/boot $tree/usr/src
  cp /build/obj/arch/x86/boot/bzImage "$tree/boot/vmlinuz-$release"
  cp /build/obj/.config "$tree/boot/config-$release"
  run O=/build/obj INSTALL_MOD_PATH=$tree/usr INSTALL_MOD_STRIP=1 DEPMOD=true modules_install
  rm -f "$tree/usr/lib/modules/$release/build"
  run O=/build/obj run-command \
    KBUILD_RUN_COMMAND="\$(srctree)/scripts/package/install-extmod-build $tree/usr/src/linux-headers-$release"
  tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --format=gnu -C $tree -cf /out/result .
  rm -rf $tree
  ;;
esac
# What is kept must be whole even if power fails after it was declared good.
sync -f /build
