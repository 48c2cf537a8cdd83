import { generateKeyPairSync } from 'node:crypto';
import type { GuestVerbs } from './guest.ts';

/** A pair of WireGuard keys, in Base64. */
export interface Key {
  readonly secret: string;
  readonly open: string;
}

/** Makes a key pair in the form of wg(8): the last 32 bytes of the DER forms (RFC 8410), in Base64. */
export function wireguardKey(): Key {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  const last32 = (der: Buffer): string => der.subarray(-32).toString('base64');
  return {
    secret: last32(privateKey.export({ type: 'pkcs8', format: 'der' })),
    open: last32(publicKey.export({ type: 'spki', format: 'der' })),
  };
}

/**
 * Sets up the tunnel `wg0` on a machine by systemd-networkd, with `address`/24. `at`: the peer's address outside the
 * tunnel.
 */
export async function endpoint(
  box: Pick<GuestVerbs, 'copyTo' | 'succeed'>,
  { own, peer, address, at }: { own: Key; peer: Key; address: string; at: string },
): Promise<void> {
  const netdev = `[NetDev]
Name=wg0
Kind=wireguard

[WireGuard]
PrivateKey=${own.secret}
ListenPort=51820

[WireGuardPeer]
PublicKey=${peer.open}
AllowedIPs=10.99.0.0/24
Endpoint=${at}:51820
`;
  await box.copyTo(Buffer.from(netdev), '/etc/systemd/network/20-wg0.netdev');
  await box.copyTo(
    Buffer.from(`[Match]\nName=wg0\n\n[Network]\nAddress=${address}/24\n`),
    '/etc/systemd/network/20-wg0.network',
  );
  await box.succeed(
    'chown root:systemd-network /etc/systemd/network/20-wg0.netdev; chmod 640 /etc/systemd/network/20-wg0.netdev',
  );
  await box.succeed('networkctl reload');
}
