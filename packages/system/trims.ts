import type { Trim } from '../../build/tree/trim.ts';

/** Files of packages that the image leaves out, each with the reason. `size` shows the size of each group. */
export const trims: readonly Trim[] = [
  {
    reason: 'documentation; the licences stay, because they require it',
    paths: [
      'usr/share/{doc,man,info,lintian,bug,doc-base,groff,gtk-doc}/**',
      'usr/share/{doc,man,info,lintian,bug,doc-base}',
    ],
    except: ['usr/share/doc/*/copyright'],
  },
  {
    reason: 'one locale: C.UTF-8, in libc',
    paths: ['usr/share/locale/**', 'usr/share/{i18n,locale}', 'usr/share/i18n/**', 'usr/share/tabset/**'],
  },
  {
    reason: 'shell completion of shells that are not login shells here',
    paths: ['usr/share/{zsh,fish}/**', 'usr/share/{zsh,fish}'],
  },
  { reason: 'character sets other than UTF-8', paths: ['usr/lib/x86_64-linux-gnu/gconv/**'] },
  {
    reason: 'static libraries and headers',
    paths: ['usr/lib/**/*.a', 'usr/include/**', 'usr/lib/x86_64-linux-gnu/pkgconfig/**'],
  },
  { reason: 'test programs of podman', paths: ['usr/libexec/podman/podman-testing'] },
  {
    reason: 'no macvlan by DHCP',
    paths: ['usr/lib/podman/netavark-dhcp-proxy-client', 'usr/lib/systemd/system/netavark-dhcp-proxy.*'],
  },
  {
    reason: 'needs python3',
    paths: [
      'usr/{bin,sbin}/{arc_summary,arcstat,zarcsummary,zarcstat,dbufstat,zilstat}',
      'usr/share/python3/**',
      'usr/lib/python3/**',
    ],
  },
  {
    reason: 'debuggers of pools, with a second ZFS that runs in user space for them',
    paths: ['usr/sbin/{zdb,zhack,zstream,zstreamdump}', 'usr/lib/x86_64-linux-gnu/libzpool.so.*'],
  },
  {
    reason: 'a test suite for storage developers',
    paths: ['usr/share/zfs/{zfs-tests,test-runner,runfiles}/**', 'usr/lib/zfs-linux/{scrub,trim}'],
  },
  {
    reason: 'names of hardware, 10 MB; lspci works without them',
    paths: [
      'usr/lib/udev/hwdb.d/**',
      'usr/lib/systemd/system/systemd-hwdb-update.service',
      'usr/lib/systemd/system/sysinit.target.wants/systemd-hwdb-update.service',
    ],
  },
  {
    reason: 'journal explanations, 1 MB per language',
    paths: [
      'usr/lib/systemd/catalog/**',
      'usr/lib/systemd/system/systemd-journal-catalog-update.service',
      'usr/lib/systemd/system/sysinit.target.wants/systemd-journal-catalog-update.service',
    ],
  },
  {
    reason: 'the build makes the initrd, without these tools',
    paths: ['usr/share/initramfs-tools/**', 'usr/lib/dracut/**', 'etc/kernel/**', 'usr/lib/kernel/**'],
    except: ['usr/lib/dracut/modules.d/30ignition/ignition'],
  },
  { reason: 'validation happens before the image is built', paths: ['usr/bin/ignition-validate'] },
  {
    reason: 'System V, runit, cron, ufw, logrotate, dpkg: not in this system',
    paths: [
      'etc/{init.d,runit,sv,cron.d,cron.daily,cron.weekly,ufw,logrotate.d,dpkg,sudoers.d,update-motd.d,rc*.d,perl,emacs}/**',
      'etc/{init.d,runit,sv,cron.d,cron.daily,cron.weekly,ufw,logrotate.d,dpkg,sudoers.d,update-motd.d}',
      'usr/share/runit/**',
      'usr/lib/sysvinit/**',
      'usr/lib/init/**',
      'var/log/runit/**',
      'var/log/runit',
      'var/lib/dpkg/**',
      'var/lib/dpkg',
      'var/lib/pam',
      'var/backups',
    ],
  },
  {
    reason:
      'AppArmor’s profiles, mostly of desktop programs; podman has its own profile and needs only the parser',
    paths: [
      'etc/apparmor.d/**',
      'etc/apparmor.d',
      'usr/{bin,sbin}/{aa-enabled,aa-features-abi,aa-load,aa-remove-unknown,aa-teardown,apparmor_status}',
      'usr/lib/apparmor/**',
      'usr/lib/apparmor',
      'usr/lib/systemd/system/apparmor.service',
    ],
  },
  { reason: 'netavark, not CNI', paths: ['etc/cni/**', 'usr/lib/cni/**'] },
  {
    reason: 'presets of the packages; packages/system/units.ts decides which units are enabled',
    paths: ['usr/lib/systemd/system-preset/{50-zfs,90-systemd}.preset'],
  },
  {
    reason: 'questions at the console of a first boot; Ignition configures the machine',
    paths: [
      'usr/lib/systemd/system/{systemd-firstboot.service,sysinit.target.wants/systemd-firstboot.service}',
      'usr/lib/tmpfiles.d/provision.conf',
    ],
  },
  {
    reason:
      'generators without an effect here, or with an unwanted one (gpt-auto mounts partitions of the owner)',
    paths: [
      'usr/lib/systemd/system-generators/systemd-{gpt-auto,hibernate-resume,integritysetup,rc-local,ssh,system-update,sysv,tpm2}-generator',
      'usr/lib/tmpfiles.d/20-systemd-ssh-generator.conf',
      'usr/lib/systemd/user-generators/systemd-xdg-autostart-generator',
    ],
  },
  {
    reason: 'ld.so.cache is not used: every library is in a default path',
    paths: [
      'usr/lib/systemd/system/{ldconfig.service,sysinit.target.wants/ldconfig.service}',
      'var/cache/ldconfig',
    ],
  },
  {
    reason: 'repart runs once, in the initrd, on our definitions',
    paths: ['usr/lib/systemd/system/sysinit.target.wants/systemd-repart.service'],
  },
  {
    reason: 'accounts are pinned data, and the image has a complete /etc',
    paths: [
      'usr/lib/sysusers.d/{basic,dbus,debian-udev,openssh-server,systemd-journal,systemd-network,systemd-resolve,systemd-timesync}.conf',
    ],
  },
  {
    reason: 'pools are imported by draisine-zpool-import.service, without waiting for all devices',
    paths: ['usr/lib/systemd/system/{zfs-import-cache,zfs-import-scan,zfs-load-module}.service'],
  },
  {
    reason:
      'mounts and jobs at boot that no program here uses; device nodes are made once, when all accounts exist',
    paths: [
      'usr/lib/modules-load.d/zfs.conf',
      'usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup-dev-early.service',
      'usr/lib/systemd/system/sysinit.target.wants/{dev-hugepages.mount,sys-kernel-debug.mount,sys-kernel-tracing.mount,proc-sys-fs-binfmt_misc.automount,systemd-binfmt.service,integritysetup.target}',
      'usr/lib/systemd/system/getty.target.wants/getty-static.service',
      'usr/lib/systemd/system/sockets.target.wants/systemd-initctl.socket',
    ],
  },
  {
    reason: 'systemd makes /var/run and /var/lock links into /run; as folders they would survive a reboot',
    paths: ['var/run', 'var/lock', 'usr/lib/tmpfiles.d/debian.conf'],
  },
  {
    reason:
      'the initrd makes /home and /srv (root.conf); this would take back the mode that the owner gave them',
    paths: ['usr/lib/tmpfiles.d/home.conf'],
  },
  {
    reason: 'links to files that no package of the image has',
    paths: ['etc/rmt', 'etc/modules-load.d/modules.conf', 'usr/lib/environment.d/99-environment.conf'],
  },
  {
    reason: 'setuid programs for changing passwords and groups: there are no passwords',
    paths: ['usr/bin/{chfn,chsh,gpasswd,newgrp,sg,expiry,chage}', 'etc/pam.d/{chfn,chsh}'],
  },
  {
    reason: 'PCR measurements are useless without a signed policy',
    paths: [
      'usr/lib/systemd/system/{sysinit.target.wants,initrd.target.wants,sockets.target.wants}/systemd-{pcr*,tpm2-setup*}',
    ],
  },
  {
    reason: 'batteries, hibernation, blue screen, X11, and udev’s rules for tapes, flash chips and mice',
    paths: [
      'usr/lib/systemd/system/{sysinit.target.wants/systemd-hibernate-clear.service,initrd.target.wants/systemd-battery-check.service,initrd.target.wants/systemd-bsod.service}',
      'usr/lib/tmpfiles.d/x11.conf',
      'etc/X11/**',
      'usr/lib/udev/rules.d/{60-sensor,70-camera,70-joystick,70-touchpad,78-sound-card,60-persistent-alsa,60-persistent-v4l,60-infiniband,60-fido-id,90-iocost,60-autosuspend,60-persistent-storage-mtd,60-persistent-storage-tape,75-probe_mtd,70-mouse,60-persistent-input,60-evdev,70-memory}.rules',
    ],
  },
  {
    reason:
      'units for missing features: batteries, screens, sound, Bluetooth, hibernation, SysV, updates by packages, quotas of ext4, PCR policies; systemd would read each one on every first boot',
    paths: [
      'usr/lib/systemd/system/{bluetooth,printer,smartcard,sound,usb-gadget,rpcbind,sigpwr,factory-reset,integritysetup,integritysetup-pre,hibernate,hybrid-sleep,suspend-then-hibernate,storage-target-mode,system-update,system-update-pre,runlevel?}.target',
      'usr/lib/systemd/system/{x11-common,pam_namespace,procps,hwclock,kmod,rc-local,cryptdisks,cryptdisks-early,getty-static,console-getty,container-getty@,capsule@,quotaon@,quotaon-root,netavark-firewalld-reload,system-update-cleanup}.service',
      'usr/lib/systemd/system/rc-local.service.d/**',
      'usr/lib/systemd/system/capsule.slice',
      'usr/lib/systemd/system/systemd-{backlight@,battery-check,binfmt,boot-check-no-failures,bsod,hibernate,hibernate-clear,hibernate-resume,hybrid-sleep,initctl,pcrextend@,pcrfs-root,pcrfs@,pcrlock@,pcrlock-*,pcrmachine,pcrphase,pcrphase-initrd,pcrphase-sysinit,quotacheck-root,quotacheck@,rfkill,storagetm,suspend-then-hibernate,tpm2-setup,tpm2-setup-early,volatile-root}.service',
      'usr/lib/systemd/system/systemd-{initctl,pcrextend,pcrlock,rfkill}.socket',
      'usr/lib/systemd/system/proc-sys-fs-binfmt_misc.*',
    ],
  },
  {
    reason:
      'parts of systemd-boot’s package except for boot counting; draisine marks a release as good, and updates the boot loader',
    paths: [
      'usr/lib/systemd/system-generators/systemd-bless-boot-generator',
      'usr/lib/systemd/system/systemd-boot-{update,random-seed}.service',
      'usr/lib/systemd/system/sysinit.target.wants/systemd-boot-{update,random-seed}.service',
      'usr/lib/systemd/system/{sockets.target.wants/systemd-bootctl.socket,systemd-bootctl.socket,systemd-bootctl@.service}',
      'usr/lib/systemd/system/systemd-bless-boot.service',
      'etc/initramfs/**',
      'etc/initramfs',
    ],
  },
  {
    reason: 'QuickJS’s compiler',
    paths: ['usr/bin/qjsc'],
  },
  {
    reason: 'unused parts of tools: hooks of a power manager, TLS for rsync’s daemon, perl scripts',
    paths: [
      'usr/lib/udev/rules.d/85-hdparm.rules',
      'usr/lib/udev/hdparm',
      'usr/lib/hdparm/**',
      'usr/lib/hdparm',
      'usr/lib/pm-utils/**',
      'usr/lib/pm-utils',
      'usr/lib/systemd/system-sleep/hdparm',
      'etc/hdparm.conf',
      'usr/share/rsync/**',
      'usr/share/rsync',
      'usr/bin/{rsync-ssl,rrsync}',
      'usr/lib/systemd/system/rsync.service',
      'etc/default/rsync',
      'usr/sbin/update-smart-drivedb',
      'etc/smartmontools/run.d/10mail',
    ],
  },
  {
    reason: 'parts of ldns for signing zones and for benchmarks; drill, which looks names up, stays',
    paths: ['usr/bin/ldns*', 'usr/sbin/ldns*'],
  },
  {
    reason:
      'daemons of NFS: version 3’s locks and port mapper, Kerberos, pNFS on block devices; mount.nfs and showmount stay',
    paths: [
      'etc/request-key.d/**',
      'etc/request-key.d',
      'etc/default/nfs-common',
      'usr/lib/systemd/system-generators/rpc-pipefs-generator',
      'usr/lib/systemd/system/{auth-rpcgss-module,nfs-blkmap,nfs-common,nfs-idmapd,nfs-utils,rpc-gssd,rpc-statd-notify,rpc-statd,rpc-svcgssd}.service',
      'usr/lib/systemd/system/{nfs-client.target,proc-fs-nfsd.mount}',
      'usr/lib/udev/rules.d/99-nfs.rules',
      'usr/libexec/nfsrahead',
      'usr/sbin/{blkmapd,mountstats,nfsconf,nfsidmap,nfsiostat,nfsstat,rpc.gssd,rpc.idmapd,rpc.statd,rpc.svcgssd,rpcctl,rpcdebug,sm-notify,start-statd}',
      'usr/share/nfs-common/**',
      'usr/share/nfs-common',
      'var/lib/nfs/**',
      'var/lib/nfs',
    ],
  },
  {
    reason: 'e2scrub needs LVM',
    paths: [
      'usr/lib/systemd/system/e2scrub*',
      'usr/{bin,sbin}/e2scrub*',
      'etc/e2scrub.conf',
      'usr/lib/udev/rules.d/96-e2scrub.rules',
      'usr/lib/x86_64-linux-gnu/e2fsprogs/**',
    ],
  },
  {
    reason: 'tools for debugging file systems; those for making, checking, repairing and growing them stay',
    paths: [
      'usr/bin/btrfs-{convert,find-root,image,map-logical,select-super}',
      'usr/bin/btrfstune',
      'usr/sbin/xfs_{admin,bmap,copy,db,estimate,freeze,fsr,info,io,logprint,mdrestore,metadump,mkfile,ncheck,property,protofile,quota,rtcp,scrub,scrub_all,spaceman}',
      'usr/lib/systemd/system/{xfs_scrub*,system-xfs_scrub.slice}',
      'usr/libexec/xfsprogs/**',
      'usr/share/xfsprogs/xfs_scrub_all.cron',
      'usr/lib/x86_64-linux-gnu/libhandle.so*',
      'var/lib/xfsprogs',
    ],
  },
  {
    reason: 'other partitioning tools; fdisk is for people, and Ignition calls sgdisk',
    paths: ['usr/sbin/{cgdisk,fixparts,gdisk}'],
  },
  {
    reason: 'arrays with metadata of Intel or DDF, clusters; hibernation',
    paths: [
      'usr/sbin/mdmon',
      'usr/lib/systemd/system/mdmon@.service',
      'usr/lib/systemd/system-shutdown/mdadm.shutdown',
      'usr/lib/udev/rules.d/69-md-clustered-confirm-device.rules',
      'etc/modprobe.d/mdadm.conf',
    ],
  },
  {
    reason: 'Debian’s way to configure mdadm, log filters and crash reports',
    paths: ['usr/share/mdadm/{checkarray,mkconf}', 'etc/logcheck/**', 'etc/logcheck', 'usr/share/apport/**'],
  },
  {
    reason:
      'libraries that no program here loads: vector mathematics; GObject and GIO (conmon needs only GLib)',
    paths: [
      'usr/lib/x86_64-linux-gnu/libmvec.so*',
      'usr/lib/x86_64-linux-gnu/lib{gio,gobject,gmodule,gthread}-2.0.so*',
      'usr/lib/x86_64-linux-gnu/{glib-2.0,gio}/**',
    ],
  },
  {
    reason: 'Berkeley DB, and two programs that use it: passwords in a database, an ARP daemon of 1999',
    paths: [
      'usr/lib/x86_64-linux-gnu/libdb-5.3.so',
      'usr/lib/x86_64-linux-gnu/security/pam_userdb.so',
      'usr/sbin/arpd',
    ],
  },
  {
    reason: 'old Diffie-Hellman groups (sshd has three built in), and login by the key of a host',
    paths: ['etc/ssh/moduli', 'usr/lib/openssh/ssh-keysign'],
  },
  {
    reason: 'network cards of data centres, two other names of ls, a character set for XML',
    paths: [
      'usr/sbin/{dcb,devlink,rtacct,tipc,vdpa}',
      'usr/bin/{rdma,dir,vdir}',
      'usr/lib/x86_64-linux-gnu/libexpatw.so*',
    ],
  },
  {
    reason: 'FIDO2 keys at boot, because volumes are opened by key files',
    paths: [
      'usr/lib/x86_64-linux-gnu/{libfido2,libcbor}.so*',
      'usr/lib/x86_64-linux-gnu/cryptsetup/libcryptsetup-token-systemd-fido2.so',
      'usr/lib/udev/fido_id',
    ],
  },
  {
    reason: 'menus and forms of ncurses, and a debugger of ext4',
    paths: [
      'usr/lib/x86_64-linux-gnu/lib{form,menu,panel}{,w}.so*',
      'usr/sbin/{debugfs,e2image,e2undo,e4crypt,e4defrag,e2freefrag,e2mmpstatus}',
    ],
  },
  {
    reason: 'libstdc++ for gdb and python',
    paths: ['usr/share/gcc/**', 'usr/share/gcc'],
  },
  {
    reason: 'UEFI parts that are in the UKI and on the ESP; the installer puts the boot loader on a disk',
    paths: ['usr/lib/systemd/boot/efi/**'],
    except: ['usr/lib/systemd/boot/efi/systemd-bootx64.efi'],
  },
  {
    reason:
      'unused programs: second names, editors of account files, SysV IPC, old word processing, D-Bus debugging, helpers of maintainer scripts',
    paths: [
      'usr/bin/{aa-exec,arch,b2sum,base32,basenc,bashbug,chcon,choom,clear_console,crun-wasm}',
      'usr/bin/{csplit,ctstat,dbus-cleanup-sockets,dbus-monitor,dbus-run-session}',
      'usr/bin/{dbus-update-activation-environment,dbus-uuidgen,diff3,dircolors,dnsdomainname}',
      'usr/bin/{domainname,expand,factor,fmt,getsubids,gzexe,hardlink,i386,ipcmk,ipcrm,ipcs}',
      'usr/bin/{ischroot,kernel-install,ld.so,lessecho,lessfile,lesskey,lesspipe,link,linux32}',
      'usr/bin/{linux64,lnstat,logname,lsipc,lslogins,lsmem,mcookie,nisdomainname,nstat}',
      'usr/bin/{passt-repair,pathchk,pidwait,ping4,ping6,pinky,pr,ptx,qrap,rbash,rename.ul,rev}',
      'usr/bin/{rnano,routel,rtstat,runcon,savelog,sdiff,setarch,setterm,skill,slabtop,snice}',
      'usr/bin/{ssh-argv0,ssh-copy-id,sum,systemd-ac-power,systemd-delta,systemd-firstboot}',
      'usr/bin/{systemd-hwdb,systemd-inhibit,systemd-path,systemd-stdio-bridge,systemd-vpick}',
      'usr/bin/{tempfile,tload,tsort,tzselect,uclampset,uncompress,unexpand,unlink,users}',
      'usr/bin/{varlinkctl,wcurl,x86_64,ypdomainname,zcmp,zdiff,zegrep,zfgrep,zforce,zmore,znew}',
      'usr/bin/{zpool_influxdb,zvol_wait}',
      'usr/sbin/{add-shell,blkdeactivate,blkzone,capsh,chcpu,chgpasswd,chmem,dmstats,dosfsck}',
      'usr/sbin/{dosfslabel,faillock,fatlabel,filefrag,fsck.msdos,fsck.zfs,fsfreeze,genl,getty}',
      'usr/sbin/{grpck,grpconv,grpunconv,installkernel,integritysetup,isosize,ldattach,logsave}',
      'usr/sbin/{mkdosfs,mkfs.msdos,mkhomedir_helper,mklost+found,newusers,pam-auth-update}',
      'usr/sbin/{pam_getenv,pam_namespace_helper,pam_timestamp_check,pivot_root,pwck,pwconv}',
      'usr/sbin/{pwhistory_helper,pwunconv,readprofile,remove-shell,resolvconf,rmt-tar,rtcwake}',
      'usr/sbin/{rtmon,runlevel,shadowconfig,swaplabel,tarcat,telinit,unix_update}',
      'usr/sbin/{update-ca-certificates,update-passwd,update-shells,vigr,vipw,zfs_ids_to_path}',
      'usr/sbin/{zvol_wait}',
    ],
  },
  {
    reason: 'programs for making a system, not for running it',
    paths: [
      'usr/sbin/{ldconfig,iconvconfig,zic}',
      'usr/bin/{localedef,iconv,gencat,locale,getconf,pldd,zdump,mtrace,sprof}',
      'usr/bin/ssh-keyscan',
      'usr/lib/openssh/ssh-{pkcs11,sk}-helper',
      'usr/lib/x86_64-linux-gnu/audit/**',
    ],
  },
  {
    reason: 'source code and debugging',
    paths: [
      'usr/src/**',
      'usr/share/gdb/**',
      'usr/share/{perl5,pam-configs,debconf,base-files,polkit-1}/**',
      'usr/games',
      'usr/local/**',
    ],
  },
];

/** Additional trims if the kernel is a package of the set. */
export const kernelTrims: readonly Trim[] = [
  {
    reason: 'the kernel is in the UKI, its modules come from the image’s list',
    paths: ['usr/lib/modules/**', 'boot/**', 'usr/lib/linux-image-*/**', 'usr/lib/linux-image-*'],
  },
];
