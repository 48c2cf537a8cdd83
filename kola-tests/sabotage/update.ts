import type { Sabotage } from '../harness/run/sabotage.ts';

const sabotages: readonly Sabotage[] = [
  {
    name: 'update.no-ranges',
    what: 'a proxy on the way gives whole files only, so that all of a release is fetched',
    tests: ['update.commit'],
    because: /of \d+ bytes fetched/,
    guest: `mkdir -p /run/sabotage/upper /run/sabotage/work
      mount -t overlay -o lowerdir=/usr,upperdir=/run/sabotage/upper,workdir=/run/sabotage/work overlay /usr
      mv /usr/bin/curl /usr/bin/curl.real
      printf '%s\\n' '#!/bin/sh' 'sed "/^range = /d" | exec /usr/bin/curl.real "$@"' >/usr/bin/curl
      chmod 755 /usr/bin/curl`,
  },
];

export default sabotages;
