import { WRITABLE_USR } from '../fixtures/lying.ts';
import type { Sabotage } from '../harness/run/sabotage.ts';

const sabotages: readonly Sabotage[] = [
  {
    name: 'update.no-ranges',
    what: 'a proxy serves whole files only, so that the box fetches all of a release',
    tests: ['update.commit'],
    because: /of \d+ bytes fetched/,
    guest: `${WRITABLE_USR}
      mv /usr/bin/curl /usr/bin/curl.real
      printf '%s\\n' '#!/bin/sh' 'sed "/^range = /d" | exec /usr/bin/curl.real "$@"' >/usr/bin/curl
      chmod 755 /usr/bin/curl`,
  },
  {
    name: 'update.any-signature',
    what: 'the box accepts every signature',
    tests: ['update.refused'],
    because: /a changed file:/,
    guest: `${WRITABLE_USR} && ln -sf true /usr/bin/ssh-keygen`,
  },
  {
    name: 'update.another-clock',
    what: 'a time zone shows the time of another one',
    tests: ['update.waits'],
    because: /'wait'[\s\S]*'reboot'/,
    guest: `${WRITABLE_USR} && cp /usr/share/zoneinfo/Etc/UTC /usr/share/zoneinfo/Pacific/Kiritimati`,
  },
  {
    name: 'update.pools-unread',
    what: 'a trial imports pools without reading them first',
    tests: ['update.pool-lost'],
    because: /tank/,
    guest: `mkdir -p /etc/systemd/system/draisine-read-pools.service.d
      printf '[Service]\\nExecStart=\\nExecStart=/bin/true\\n' >/etc/systemd/system/draisine-read-pools.service.d/x.conf`,
  },
  {
    name: 'update.stick-unseen',
    what: 'udev does not tell the box of a stick with a release',
    tests: ['update.stick'],
    because: /staged/,
    limitFactor: 0.2,
    guest: 'ln -s /dev/null /etc/udev/rules.d/64-draisine-stick.rules && udevadm control --reload',
  },
];

export default sabotages;
