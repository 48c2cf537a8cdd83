import { Failure } from '../../../sdk/lib/errors.ts';
import { isKernelFault, KERNEL_SCRIPT } from '../guest/kernel-log.ts';
import type { Machine } from '../machine/machine.ts';
import type { Acceleration } from '../qemu/accel.ts';

/*
 * The checks of every machine after every test. Each finding is one line:
 *   failed unit: NAME · kernel: MESSAGE · listener: PROTOCOL ADDRESS:PORT PROCESS · zfs: STATUS · guest: …
 */

/**
 * It starts few processes, because under emulation each costs time. It first looks for pools, because opening /dev/zfs
 * would load the module.
 */
const SCRIPT = `${KERNEL_SCRIPT}
systemctl list-units --state=failed --plain --no-legend --no-pager | while read -r unit; do echo "unit $unit"; done
ss -H -l -n -t -u -p | while read -r socket; do echo "socket $socket"; done
shopt -s nullglob
for pool in /proc/spl/kstat/zfs/*/; do
  zpool status -x | while read -r line; do echo "zfs $line"; done
  break
done
`;

/** Checks a machine. An unreachable guest is a finding. A machine that the test has turned off has none. */
export async function findings(
  machine: Pick<Machine, 'execute' | 'isOn' | 'gone' | 'kernelLog'>,
  accel: Pick<Acceleration, 'kind'>,
): Promise<string[]> {
  const report = [...machine.kernelLog(), ...(await look(machine))];
  return [...new Set(report.flatMap((line) => judge(line, accel.kind === 'tcg')))];
}

async function look(machine: Pick<Machine, 'execute' | 'isOn' | 'gone'>): Promise<string[]> {
  if (!machine.isOn()) {
    const gone = machine.gone();
    return gone ? [`guest ended by itself: ${gone.message}`] : [];
  }
  try {
    const { code, stdout, stderr } = await machine.execute(SCRIPT);
    const whole = code === 0 ? [] : [`guest cannot be checked: exit ${code}: ${stderr}`];
    return [...stdout.split('\n'), ...whole];
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return [`guest cannot be checked: ${error.message}`];
  }
}

/** The findings in one line of the guest's report. Exported for its test. */
export function judge(line: string, emulated: boolean): string[] {
  const at = line.indexOf(' ');
  const text = line.slice(at + 1).trim();
  switch (line.slice(0, at)) {
    case 'unit':
      return [`failed unit: ${text.split(/\s+/)[0]}`];
    case 'kernel':
      return isKernelFault(text, emulated) ? [`kernel: ${text}`] : [];
    case 'guest':
      return [`guest: ${text}`];
    case 'socket':
      return listener(text);
    case 'zfs':
      return text === '' || text === 'all pools are healthy' || text === 'no pools available'
        ? []
        : [`zfs: ${text}`];
    default:
      return [];
  }
}

/** `udp UNCONN 0 0 10.0.2.15%eth0:68 0.0.0.0:* users:(("systemd-network",…))`: the columns of ss(8). */
function listener(text: string): string[] {
  const [protocol = '', , , , local = '', , process = ''] = text.split(/\s+/);
  const colon = local.lastIndexOf(':');
  const address = local.slice(0, colon);
  const port = local.slice(colon + 1);
  const loopback = /^127\.|^\[?::1\]?$|^\[::ffff:127\.|%lo$/.test(address);
  const ssh = protocol === 'tcp' && port === '22';
  // The sockets for answers of DHCP and DHCPv6 servers are not services (RFC 2131, RFC 8415). ss reads the owners
  // before the sockets, so a socket that is opened in between, at the renewal of a lease, has no owner.
  const owner = process === '' || process.includes('systemd-network');
  const dhcpClient = protocol === 'udp' && (port === '68' || port === '546') && owner;
  // The name server of containers. It listens only on the address of their bridge, while one of them runs. It has port
  // 1053 if a container has port 53 (ignition/sugar/name-server.ts).
  const names = (port === '53' || port === '1053') && process.includes('aardvark-dns');
  if (loopback || ssh || dhcpClient || names) return [];
  const name = /"([^"]+)"/.exec(process)?.[1] ?? '?';
  return [`listener: ${protocol} ${local} ${name}`];
}

/** The findings that the test does not expect. */
export function unexpected(found: readonly string[], expect: readonly RegExp[]): string[] {
  return found.filter((finding) => !expect.some((pattern) => pattern.test(finding)));
}
