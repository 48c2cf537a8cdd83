import { machine } from '../../../ignition/index.ts';

/** A plain container host: one port with DHCP, SSH by key, a web server behind the firewall. */
export default machine({
  hostname: 'box',
  time: { zone: 'Europe/Berlin' },
  users: {
    root: {
      // Put your own key here: it is the only way in. The image has no sudo.
      sshKeys: [
        'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1p1Lq2Pp6m0p2m1zKq3l9mW1mJ0y0o7x0mYb1r2s3t you@example',
      ],
    },
  },
  network: { interfaces: { lan: { port: { name: 'en*' }, dhcp: true } } },
  firewall: { allow: ['ssh', 'http', 'https'] },
  files: { '/var/lib/web/index.html': { contents: '<h1>It works</h1>\n' } },
  containers: {
    web: {
      image: 'docker.io/library/caddy:2.10',
      ports: [{ host: 80 }, { host: 443 }, { host: 443, protocol: 'udp' }],
      volumes: [
        { path: '/var/lib/web', at: '/usr/share/caddy', readOnly: true },
        { volume: 'caddy-data', at: '/data' },
      ],
      limits: { memory: '256M', processes: 200 },
      health: { command: 'wget -q -O /dev/null http://localhost/', interval: '1m' },
    },
  },
});
