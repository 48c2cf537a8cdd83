/** Asks the initrd for a reset at the next boot (its scripts first-boot and empty-state). */
export const RESET = '/.draisine-reset';
