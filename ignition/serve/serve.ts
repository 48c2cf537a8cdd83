import { copyFileSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sdkTree } from '../../build/image/sdk.ts';
import { badInput, errorCode } from '../../sdk/lib/errors.ts';
import { log } from '../../sdk/lib/log.ts';
import { findPort, type Port, parseRange } from './address.ts';
import { readConfigs } from './configs.ts';
import { type Dnsmasq, startDnsmasq } from './dnsmasq.ts';
import { answerTo, BOOT_PROGRAMS, findFiles, type Settings } from './files.ts';
import { serveHttp } from './http.ts';
import { UPDATES, updatesFolder } from './updates.ts';

/** The options of `serve`. */
export interface ServeOptions {
  readonly interface?: string;
  readonly httpOnly?: boolean;
  readonly dhcp?: string;
  readonly port: string;
  readonly config?: string;
  readonly ca?: string;
  readonly args?: string;
  readonly updates?: string;
}

/** `serve [IMAGE]`, until it is interrupted. All inputs are checked before anything is served. */
export async function serve(image: string, options: ServeOptions): Promise<void> {
  const port = parsePort(options.port);
  const network = networkOf(options);
  const range = options.dhcp === undefined ? undefined : parseRange(options.dhcp, network);
  const settings: Settings = {
    ...(options.config === undefined ? {} : { configs: await readConfigs(options.config) }),
    ...(options.ca === undefined ? {} : { ca: readCa(options.ca) }),
    ...(options.args === undefined ? {} : { args: checkArgs(options.args) }),
    ...(options.updates === undefined ? {} : { updates: updatesFolder(options.updates) }),
  };
  const tools = await sdkTree('sdk-serve');
  const served = findFiles(image, tools);
  const stop = interrupted();
  const say = (line: string): void =>
    void process.stdout.write(`${new Date().toISOString().slice(11, 19)}  ${line}\n`);
  const http = await serveHttp({
    address: network.address,
    port,
    answer: (path, host) => answerTo(served, settings, path, host),
    log: say,
  });
  const base = `http://${network.address}:${http.port}/`;
  // Firmware that boots by HTTP cannot tell the kernel which config belongs to the machine; iPXE can.
  const httpBoot = `${base}${settings.configs ? BOOT_PROGRAMS.uefi : 'http.efi'}`;
  let folder: string | undefined;
  let dnsmasq: Dnsmasq | undefined;
  try {
    if (!options.httpOnly) {
      folder = await tftpFolder(served.files);
      const dhcp = {
        port: network,
        folder,
        script: `${base}boot.ipxe`,
        httpBoot,
        ...(range ? { range } : {}),
      };
      dnsmasq = await startDnsmasq(tools, dhcp, say);
    }
    const kind = options.httpOnly
      ? 'HTTP only'
      : `TFTP, ${range ? 'DHCP' : 'proxy DHCP beside the network’s own server'}`;
    say(`${served.image} at ${base} on ${network.name}: ${kind}; Ctrl-C ends it`);
    if (settings.updates !== undefined)
      say(`boxes update from ${base.slice(0, -1)}${UPDATES.slice(0, -1)} (update.base)`);
    if (options.httpOnly)
      log(`point a DHCP server at ${base}boot.ipxe (iPXE) or ${base}http.efi (UEFI HTTP boot)`);
    await Promise.race([stop, ...(dnsmasq ? [dnsmasq.ended] : [])]);
  } finally {
    await dnsmasq?.stop();
    await http.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }
}

function networkOf({ interface: name, httpOnly, dhcp }: ServeOptions): Port {
  if (httpOnly && dhcp !== undefined) throw badInput('--http-only and --dhcp exclude each other');
  if (name === undefined && !httpOnly)
    throw badInput('no interface is named', {
      where: '--interface',
      hint: 'name the network port that leads to the machines (--interface), or use --http-only for HTTP on this host’s 127.0.0.1',
    });
  const port = findPort(name ?? 'lo');
  if (!httpOnly && process.getuid?.() !== 0)
    throw badInput('DHCP and TFTP need root: they listen on ports 67 and 69', {
      hint: 'run the command with sudo, or use --http-only with an existing DHCP server',
    });
  return port;
}

function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535)
    throw badInput(`not a port from 0 to 65535: ${text}`, { where: '--port' });
  return Number(text);
}

function checkArgs(text: string): string {
  // iPXE expands ${…}, and ends a command at && and ||.
  if (!/^[\x20-\x7e]*$/.test(text) || /\$\{|&&|\|\|/.test(text))
    throw badInput('not kernel arguments: printable ASCII, without ${, && and ||', { where: '--args' });
  return text;
}

function readCa(file: string): Buffer {
  let pem: Buffer;
  try {
    pem = readFileSync(file);
  } catch (error) {
    throw badInput(`cannot read the certificate (${errorCode(error)})`, {
      where: file,
      hint: 'name a certificate in PEM that you may read',
    });
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw badInput('no certificate in PEM', {
      where: file,
      hint: 'openssl x509 -inform der -in FILE -out ca.pem',
    });
  return pem;
}

/**
 * A folder with the files for TFTP. dnsmasq gives up root, so everybody may read it. Nobody else may write there:
 * dnsmasq reads its settings and opens its leases as root.
 */
export async function tftpFolder(files: ReadonlyMap<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), `draisine-serve-${process.pid}-`));
  await chmod(folder, 0o755);
  await mkdir(join(folder, 'tftp'), { mode: 0o755 });
  for (const name of Object.values(BOOT_PROGRAMS)) {
    const copy = join(folder, 'tftp', name);
    copyFileSync(files.get(`/${name}`) ?? '', copy);
    await chmod(copy, 0o644);
  }
  return folder;
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}
