import type { Firmware } from '../build/image/image.ts';
import { firmware } from './sets/kernel.ts';

const set = firmware.name;

/** Firmware for an N100 box: its processor (Alder Lake-N, family 6, model 0xbe) and Realtek's network cards. */
export const n100Firmware: Firmware = {
  set,
  packages: ['firmware-realtek'],
  only: ['rtl_nic/**'],
  microcode: [{ package: 'intel-microcode', vendor: 'GenuineIntel', files: ['intel-ucode/06-be-*'] }],
};

/** The same with graphics: display, scheduling and video of Alder Lake. */
export const videoFirmware: Firmware = {
  ...n100Firmware,
  packages: [...n100Firmware.packages, 'firmware-intel-graphics'],
  only: [...n100Firmware.only, 'i915/{adlp_,tgl_huc}*'],
};

/** Firmware for any machine. */
export const genericFirmware: Firmware = {
  ...n100Firmware,
  microcode: [
    { package: 'intel-microcode', vendor: 'GenuineIntel', files: ['intel-ucode/**'] },
    { package: 'amd64-microcode', vendor: 'AuthenticAMD', files: ['amd-ucode/*.bin'] },
  ],
};
