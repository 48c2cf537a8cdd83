import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../sdk/lib/errors.ts';
import { toolCommand } from '../../sdk/tool.ts';
import type { Port } from './address.ts';
import { BOOT_PROGRAMS } from './files.ts';

/** The services of dnsmasq, and their network port. */
export interface DhcpOptions {
  readonly port: Port;
  /**
   * The first and the last address to give. Without them another server gives addresses, and dnsmasq only
   * adds the boot file.
   */
  readonly range?: readonly [string, string];
  /** Folder with the files for TFTP; the settings and the leases of dnsmasq are there, too. */
  readonly folder: string;
  /** URL of the script for iPXE. */
  readonly script: string;
  /** URL of the program for UEFI HTTP boot. */
  readonly httpBoot: string;
}

/**
 * Configuration of dnsmasq(8), without DNS: iPXE by TFTP for firmware, and the script for iPXE, which
 * identifies itself by option 175.
 * Client architectures are those of RFC 4578; 16 is UEFI HTTP boot.
 */
export function dnsmasqConfig({ port, range, folder, script, httpBoot }: DhcpOptions): string {
  const common = [
    'port=0',
    `interface=${port.name}`,
    'bind-interfaces',
    'no-hosts',
    'no-resolv',
    'no-ping',
    'log-facility=-',
    // The usual pid file may belong to another dnsmasq of this host.
    'pid-file=',
    `dhcp-leasefile=${join(folder, 'leases')}`,
    'enable-tftp',
    `tftp-root=${join(folder, 'tftp')}`,
    'dhcp-match=set:ipxe,175',
    'dhcp-match=set:bios,option:client-arch,0',
    'dhcp-match=set:uefi,option:client-arch,7',
    'dhcp-match=set:uefi,option:client-arch,9',
    'dhcp-match=set:http,option:client-arch,16',
  ];
  const given = [
    `dhcp-range=${range?.join(',')},${port.netmask},1h`,
    'dhcp-authoritative',
    // This server offers no route and no DNS.
    'dhcp-option=option:router',
    'dhcp-option=option:dns-server',
    `dhcp-boot=tag:ipxe,${script}`,
    `dhcp-boot=tag:!ipxe,tag:bios,${BOOT_PROGRAMS.bios}`,
    `dhcp-boot=tag:!ipxe,tag:uefi,${BOOT_PROGRAMS.uefi}`,
    `dhcp-boot=tag:!ipxe,tag:http,${httpBoot}`,
    'dhcp-option-force=tag:http,60,HTTPClient',
  ];
  const added = [
    `dhcp-range=${port.address},proxy,${port.netmask}`,
    ...['x86PC', 'BC_EFI', 'x86-64_EFI'].flatMap((kind) => [
      `pxe-service=tag:ipxe,${kind},"Draisine",${script}`,
      `pxe-service=tag:!ipxe,${kind},"Draisine",${kind === 'x86PC' ? BOOT_PROGRAMS.bios : BOOT_PROGRAMS.uefi}`,
    ]),
  ];
  return `${[...common, ...(range ? given : added)].join('\n')}\n`;
}

/** A running dnsmasq. */
export interface Dnsmasq {
  /** Rejects when dnsmasq ends without a call of `stop`. */
  readonly ended: Promise<never>;
  stop(): Promise<void>;
}

/** Starts dnsmasq of the tool tree and waits until it serves. `log` gets a line for each request. */
export async function startDnsmasq(
  tools: string,
  options: DhcpOptions,
  log: (line: string) => void,
): Promise<Dnsmasq> {
  const file = join(options.folder, 'dnsmasq.conf');
  await writeFile(file, dnsmasqConfig(options));
  const command = toolCommand(tools, 'dnsmasq', [modeOption(), `--conf-file=${file}`]);
  const child = spawn(command.file, command.args, { env: command.env, stdio: ['ignore', 'pipe', 'pipe'] });
  const die = (): void => void child.kill('SIGKILL');
  process.once('exit', die);
  let stopped = false;
  let said = '';
  const exit = endOf(child);
  const ended = exit.then((how): never => {
    throw new Failure(`dnsmasq ended (${how})${said ? `: ${said.trim()}` : ''}`, {
      where: options.port.name,
      ...(/in use/.test(said)
        ? { hint: 'another DHCP or TFTP server runs on this host: stop it, or use --http-only' }
        : {}),
    });
  });
  ended.catch(() => {}); // awaited below, and by the caller
  const ready = new Promise<void>((resolve) => {
    const onLine = (line: string): void => {
      // `Nov 25 22:23:44 dnsmasq-tftp[123]: `
      const text = line.replace(/^.*?dnsmasq[a-z-]*(\[\d+\])?: /, '');
      if (/TFTP (root|single|multi)|^TFTP/.test(text)) resolve();
      if (/^(DHCP[A-Z]+|PXE|BOOTP)\(|^(sent|file|failed sending|error)\b/.test(text))
        log(readable(text, options.folder));
      else said = `${said}${text}\n`.slice(-2000);
    };
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        const lines = `${rest}${chunk}`.split('\n');
        rest = lines.pop() ?? '';
        lines.forEach(onLine);
      });
    }
  });
  await Promise.race([ready, ended]);
  return {
    ended: ended.catch((error: unknown) => {
      if (stopped) return new Promise<never>(() => {});
      throw error;
    }),
    stop: async () => {
      stopped = true;
      process.off('exit', die);
      child.kill('SIGTERM');
      await exit;
    },
  };
}

function readable(text: string, folder: string): string {
  return text.replace(`${join(folder, 'tftp')}/`, 'TFTP ');
}

/**
 * The user to run as. dnsmasq gives up root for `nobody`; in a user namespace without other users it stays
 * root.
 */
function modeOption(): string {
  const map = readFileSync('/proc/self/uid_map', 'utf8').trim().split(/\s+/).map(Number);
  return (map[2] ?? 0) > 1 ? '--keep-in-foreground' : '--no-daemon';
}

function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(signal ?? `exit ${code}`));
  });
}
