import { machine, secret } from '../../index.ts';

/** Made of compose.yaml by: draisine ignition import */
export default machine({
  directories: { '/var/lib/shop/html': {} },
  containerNetworks: { front: {}, back: { internal: true } },
  containers: {
    web: {
      image: 'docker.io/library/nginx:1.27',
      environment: { LOG: 'info' },
      ports: [
        { host: 8080, container: 80 },
        { host: 53, protocol: 'udp', address: '127.0.0.1' },
        { host: 8443, container: 443 },
      ],
      volumes: [
        { path: '/var/lib/shop/html', at: '/usr/share/nginx/html', readOnly: true },
        { volume: 'cache', at: '/var/cache/nginx' },
      ],
      needs: ['db'],
      network: { names: ['front', 'back'] },
      tmpfs: ['/run'],
      capabilities: { drop: ['ALL'], add: ['CAP_NET_BIND_SERVICE'] },
      limits: { memory: '256M', cpu: '50%', processes: 100 },
      labels: { team: 'it\'s ours' },
      command: ['nginx', '-g', 'daemon off;'],
    },
    db: {
      image: 'docker.io/library/postgres:17',
      user: 999,
      secretEnvironment: secret({ file: 'db.env' }),
      secrets: { password: secret({ file: './password.txt' }) },
      health: { command: 'pg_isready -U x || exit 1', interval: '10s', retries: 5, startsWhenHealthy: true },
      volumes: [{ volume: 'data', at: '/var/lib/postgresql/data' }],
      network: { names: ['back'] },
      devices: ['/dev/dri', { path: '/dev/ttyACM0', at: '/dev/stick' }],
    },
  },
});
