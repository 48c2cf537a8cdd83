import type { Machine } from './machine.ts';

/**
 * Gives two machines with a second NIC on one layer-2 network the addresses 10.9.0.1/24 and 10.9.0.2/24 there, by files
 * for systemd-networkd, and waits until they reach each other.
 */
export async function join2(one: Machine, two: Machine): Promise<void> {
  const join = async (box: Machine, host: number): Promise<void> => {
    const mac = box.mac(1);
    await box.copyTo(
      Buffer.from(`[Match]\nMACAddress=${mac}\n\n[Network]\nAddress=10.9.0.${host}/24\n`),
      '/etc/systemd/network/10-lan.network',
    );
    await box.succeed('networkctl reload');
  };
  await Promise.all([join(one, 1), join(two, 2)]);
  await one.waitUntilSucceeds(await pingOnLan(one, '10.9.0.2'));
}

/** Pings through the second NIC. On the default route, QEMU's user network would answer any ping. */
export async function pingOnLan(box: Machine, address: string): Promise<string> {
  const nic = await box.waitUntilSucceeds(
    `grep -l ${box.mac(1)} /sys/class/net/*/address | cut -d/ -f5 | grep .`,
  );
  return `ping -I ${nic} -c 1 -W 1 ${address}`;
}
