import { Failure } from '../../../sdk/lib/errors.ts';
import { sha256 } from '../../../sdk/lib/files.ts';
import type { Channel, Envelope, ReleaseRef } from '../format/types.ts';
import { placeOf } from '../place.ts';
import { formatEnvelope, isSigned } from '../trust/envelope.ts';
import { readRelease } from '../verify.ts';
import { type Base, publishedText, releasePath } from './base.ts';

/*
 * A channel names release.json by the digest of its bytes, and these contain the signatures. After a rotation of release
 * keys, a release is signed again, so its digest changes. The channels then have to name the new digest.
 */

/** Each signature doubles the number of digests to compare. */
const MOST_SIGNATURES = 12;

/** Whether an envelope without some of its signatures has this digest. */
function hasGrownFrom({ signed, signatures }: Envelope, digest: string): boolean {
  if (signatures.length > MOST_SIGNATURES) return false;
  for (let some = 0; some < 2 ** signatures.length - 1; some++) {
    const fewer = signatures.filter((_, index) => some & (1 << index));
    if (sha256(formatEnvelope({ signed, signatures: fewer })) === digest) return true;
  }
  return false;
}

/** The digest of a published release.json, if it only got signatures since the channel has named it; else the named one. */
async function presentDigest(base: Base, image: string, { version, release }: ReleaseRef): Promise<string> {
  const text = await publishedText(base, image, version);
  if (text === undefined || sha256(text) === release) return release;
  try {
    const opened = await readRelease(placeOf(releasePath(base, image, version)));
    const isSame = hasGrownFrom(opened.envelope, release) && (await isSigned(opened, 'release', base.root));
    return isSame ? sha256(opened.text) : release;
  } catch (error) {
    if (error instanceof Failure) return release; // A damaged file must not keep a channel from being renewed.
    throw error;
  }
}

/** The channel with the digests of releases that were signed again; undefined if there are none. */
export async function withNewSignatures(base: Base, channel: Channel): Promise<Channel | undefined> {
  const { image, version, release } = channel;
  const barriers: ReleaseRef[] = [];
  for (const each of channel.barriers)
    barriers.push({ ...each, release: await presentDigest(base, image, each) });
  const next: Channel = {
    ...channel,
    ...(version !== undefined && release !== undefined
      ? { release: await presentDigest(base, image, { version, release }) }
      : {}),
    barriers,
  };
  return JSON.stringify(next) === JSON.stringify(channel) ? undefined : next;
}
