import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import type { IgnitionConfig } from '../harness/guest/ignition.ts';
import { dataUrl } from '../harness/guest/ignition.ts';
import { serve } from '../harness/guest/web.ts';
import { ignitionText } from '../harness/machine/boot.ts';
import { fixture } from '../harness/machine/provision.ts';
import { register } from '../harness/run/register.ts';

const sha512 = (text: string): string => `sha512-${createHash('sha512').update(text).digest('hex')}`;
const pem = (name: string): string => readFileSync(fixture(`tls/${name}`), 'utf8');
/** A config that writes one file. */
const writes = (path: string, text: string): IgnitionConfig => ({
  ignition: { version: '3.3.0' },
  storage: { files: [{ path, contents: { source: dataUrl(text) } }] },
});

const PLAIN = 'over HTTP\n';
const SECRET = 'over HTTPS, from a server that only this config trusts\n';

/** The last config of the chain. It merges two more, and its files are on servers, in every form. */
function lastConfig(http: string, https: string, { merged }: { merged: string }): IgnitionConfig {
  return {
    ignition: {
      version: '3.3.0',
      security: { tls: { certificateAuthorities: [{ source: dataUrl(pem('ca.pem')) }] } },
      config: {
        merge: [
          { source: `${http}/more.ign`, verification: { hash: sha512(merged) } },
          { source: `${http}/packed.ign.gz`, compression: 'gzip' },
        ],
      },
    },
    storage: {
      files: [
        {
          path: '/etc/plain',
          mode: 0o640,
          contents: {
            source: `${http}/plain`,
            httpHeaders: [{ name: 'X-Machine', value: 'box' }],
            verification: { hash: sha512(PLAIN) },
          },
        },
        {
          path: '/etc/unpacked',
          contents: {
            source: `${http}/packed`,
            compression: 'gzip',
            verification: { hash: sha512(PLAIN) },
          },
        },
        {
          path: '/etc/secret',
          contents: { source: `${https}/secret`, verification: { hash: sha512(SECRET) } },
        },
      ],
    },
  };
}

/**
 * The command line of a machine is part of its spec, which is made before any test runs. The kernel gives out ports from
 * 32768 on (ip_local_port_range), so no other program has this one by chance.
 */
const PORT = 20_000 + (process.pid % 10_000);

// One boot fetches everything that a config can fetch. The config of the command line wins over that of fw_cfg. It is
// replaced by another one, which merges two more and has files on servers.
register(
  {
    name: 'ignition.remote',
    what: 'The first boot fetches configs and files over HTTP and HTTPS, and checks their hashes.',
    machines: {
      box: {
        firmware: 'none',
        start: 'off',
        kernelArguments: `ignition.config.url=http://10.0.2.2:${PORT}/first.ign`,
      },
    },
    config: writes('/etc/from-fw-cfg', 'not this one'),
    varies: [String(PORT)],
    timeout: 240,
  },
  async (t, { box }) => {
    const merged = JSON.stringify(writes('/etc/merged', 'merged'));
    const packed = JSON.stringify(writes('/etc/packed', 'merged, compressed'));
    const http = await serve({
      files: {
        '/plain': PLAIN,
        '/packed': gzipSync(PLAIN),
        '/more.ign': merged,
        '/packed.ign.gz': gzipSync(packed),
      },
      allowed: ({ url, headers }) => url !== '/plain' || headers['x-machine'] === 'box',
    });
    t.after(() => http.close());
    const https = await serve({
      files: { '/secret': SECRET },
      tls: { cert: pem('server.pem'), key: pem('server.key') },
    });
    t.after(() => https.close());

    const last = ignitionText(lastConfig(http.url, https.url, { merged }));
    const first: IgnitionConfig = {
      ...writes('/etc/first', 'replaced, so not this one'),
      ignition: {
        version: '3.3.0',
        config: {
          replace: {
            source: `http://10.0.2.2:${PORT}/last.ign.gz`,
            compression: 'gzip',
            verification: { hash: sha512(last) },
          },
        },
      },
    };
    const web = await serve({
      port: PORT,
      files: { '/first.ign': JSON.stringify(first), '/last.ign.gz': gzipSync(last) },
    });
    t.after(() => web.close());

    await box.start();

    assert.deepEqual(web.requests, ['GET /first.ign', 'GET /last.ign.gz']);
    await box.fail('ls /etc/first || ls /etc/from-fw-cfg');
    assert.match(await box.journal('draisine-first-boot'), /machine config: ignition\.config\.url= on the/);
    assert.equal(
      await box.succeed('cat /etc/plain /etc/unpacked /etc/secret /etc/merged; echo; cat /etc/packed'),
      `${PLAIN}${PLAIN}${SECRET}merged\nmerged, compressed`,
    );
    assert.equal(await box.succeed('stat -c %a /etc/plain'), '640');
    assert.deepEqual(https.requests, ['GET /secret']);

    // The system does not take over the network of the first boot's initrd: it asks for an address of its own.
    await box.waitForUnit('systemd-networkd.service');
    assert.equal(await box.succeed('systemctl is-system-running'), 'running');
  },
);
