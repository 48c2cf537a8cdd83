import type { Preparation } from './spec.ts';

/** Name of the test image: artifact `oci-busybox`, one static busybox with `/bin/sh` as entry point. */
export const BUSYBOX = 'localhost/oci-busybox:latest';

/** A machine with `prepare: busybox` has the test image in its container storage. */
export const busybox: Preparation = {
  name: 'busybox image',
  artifacts: ['oci-busybox'],
  run: async (guest) => {
    await guest.copyTo(await guest.artifact('oci-busybox'), '/var/tmp/busybox.tar');
    await guest.succeed('podman load --input=/var/tmp/busybox.tar && rm /var/tmp/busybox.tar');
    await guest.succeed('podman image exists localhost/oci-busybox:latest');
  },
};
